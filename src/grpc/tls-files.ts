import { constants, createHash, hkdfSync, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from 'pino';

/** Paths of PEM files, and what they are for. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities of client certificates; undefined: none is asked for. */
  readonly clientCaFile: string | undefined;
  /** Whether clients must present a certificate. One that is presented must be valid in either case. */
  readonly clientCert: 'required' | 'optional';
  /** Processes with the same one resume TLS sessions of each other; undefined: only those of this process. */
  readonly ticketSecret?: Uint8Array | undefined;
}

/** Credentials of a server that follow their files: connections that begin after a change get the new ones. */
export interface FileCredentials {
  readonly credentials: ServerCredentials;
  /**
   * Looks at the files at once; they are also looked at every `lookIntervalMs`. Files that cannot be used change nothing: the
   * error is logged, once for each content. A certificate that has expired is in force all the same, with a warning, once for
   * each. Never rejects.
   */
  reload(): Promise<void>;
  /** When the certificate in force expires, in milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** Whether the files that were read last are in force. */
  readonly isCurrent: boolean;
  close(): void;
}

/** As node:tls wants them. */
const ticketKeysBytes = 48;

/** Rejects with an error that names the files if they cannot be used. */
export async function openTlsFiles(
  files: TlsFiles,
  lookIntervalMs: number,
  log: Logger,
): Promise<FileCredentials> {
  const first = await read(files);
  if (first.context instanceof Error) throw first.context;
  const credentials = new ReplaceableCredentials(files, first.context.options);
  let seen = first.content;
  let expiresAtMs = Date.parse(first.context.certificate.validTo);
  let isCurrent = true;
  const look = async (): Promise<void> => {
    const { content, context } = await read(files);
    if (content === seen) return;
    seen = content;
    isCurrent = !(context instanceof Error);
    if (context instanceof Error) {
      log.error({ err: context }, 'the TLS files cannot be used; nothing changes');
      return;
    }
    credentials.replace(context.options);
    const { fingerprint256, validTo } = context.certificate;
    expiresAtMs = Date.parse(validTo);
    log.info({ certificate: fingerprint256, validTo }, 'new connections get the new TLS files');
  };
  let warnedOfMs: number | undefined;
  const warnIfExpired = (): void => {
    if (Date.now() < expiresAtMs || warnedOfMs === expiresAtMs) return;
    warnedOfMs = expiresAtMs;
    log.warn({ expired: new Date(expiresAtMs) }, 'the certificate has expired: clients refuse it');
  };
  warnIfExpired();
  let looking = Promise.resolve();
  const reload = (): Promise<void> => (looking = looking.then(look).then(warnIfExpired));
  const timer = setInterval(() => void reload(), lookIntervalMs).unref();
  return {
    credentials,
    reload,
    get expiresAtMs() {
      return expiresAtMs;
    },
    get isCurrent() {
      return isCurrent;
    },
    close() {
      clearInterval(timer);
    },
  };
}

class ReplaceableCredentials extends ServerCredentials {
  constructor({ clientCaFile, clientCert }: TlsFiles, context: SecureContextOptions) {
    // A certificate that TLS could not verify is refused by Connections.
    super(
      { requestCert: clientCaFile !== undefined, rejectUnauthorized: clientCert === 'required' },
      context,
    );
  }

  replace(context: SecureContextOptions): void {
    this.updateSecureContextOptions(context);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

interface Context {
  readonly options: SecureContextOptions;
  readonly certificate: X509Certificate;
}

interface Found {
  /** Equal if and only if all contents and errors are equal. */
  readonly content: string;
  readonly context: Context | Error;
}

async function read(files: TlsFiles): Promise<Found> {
  const { certFile, keyFile, clientCaFile } = files;
  const named = [certFile, keyFile, clientCaFile].filter((file) => file !== undefined);
  const unusable = (cause: unknown): Error =>
    new Error(`the TLS files cannot be used (${named.join(', ')}): ${(cause as Error).message}`, { cause });
  try {
    const [cert, key, ca] = await Promise.all(named.map((file) => readFile(file)));
    const digests = [cert, key, ca].map((bytes) =>
      createHash('sha256')
        .update(bytes ?? '')
        .digest('base64'),
    );
    const content = digests.join();
    // Of a session that is resumed, TLS knows the certificate of the client, and not who has issued it.
    const tickets =
      ca === undefined ? ticketKeys(files, content) : { secureOptions: constants.SSL_OP_NO_TICKET };
    return { content, context: contextOf({ cert, key, ca, ...tickets }, unusable) };
  } catch (error) {
    return { content: (error as Error).message, context: unusable(error) };
  }
}

/** As without it, other files end all sessions. */
function ticketKeys({ ticketSecret }: TlsFiles, content: string): Pick<SecureContextOptions, 'ticketKeys'> {
  if (ticketSecret === undefined) return {};
  return {
    ticketKeys: Buffer.from(hkdfSync('sha256', ticketSecret, content, 'tickets of TLS', ticketKeysBytes)),
  };
}

function contextOf(options: SecureContextOptions, unusable: (cause: unknown) => Error): Context | Error {
  const { cert, ca } = options;
  try {
    createSecureContext(options);
    // A context accepts authorities that it cannot read, and then no client.
    if (ca !== undefined) new X509Certificate(ca as Buffer);
    return { options, certificate: new X509Certificate(cert as Buffer) };
  } catch (error) {
    return unusable(error);
  }
}
