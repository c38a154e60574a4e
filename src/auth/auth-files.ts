import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseAuthFile } from './auth-file';
import { AuthFileError } from './auth-file-error';
import { defaultLimits } from '../limits';
import type { AuthFile } from './schema';

/** The auth file and the files that it names, as they were at one time. */
export interface AuthFiles {
  /** Equal if and only if all contents and errors are equal. */
  readonly fingerprint: string;
  readonly result: LoadedFiles | AuthFileError;
}

export interface LoadedFiles {
  /** The path of the auth file, for errors. */
  readonly path: string;
  /** Its paths are absolute. */
  readonly file: AuthFile;
  /** The contents of the key files and of the list of revoked certificates, by their absolute path. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
  /** The authorities of client certificates, PEM; undefined: they are not known. */
  readonly clientCa: Uint8Array | undefined;
}

/**
 * Reads the auth file and the files that it names. It looks at contents, because times say too little: a file may be replaced by an
 * older one, or through a symbolic link.
 */
export class AuthFilesReader {
  private parsed: { readonly digest: string; readonly result: AuthFile | AuthFileError } | undefined;

  constructor(
    private readonly path: string,
    private readonly clientCaFile?: string,
  ) {}

  async read(): Promise<AuthFiles> {
    const { path } = this;
    const content = await readBounded(path, defaultLimits.authFileBytesMax);
    const digest = digestOf(content);
    if (this.parsed?.digest !== digest) this.parsed = { digest, result: parse(content, path) };
    const { result: file } = this.parsed;
    if (file instanceof AuthFileError) return { fingerprint: digest, result: file };
    const named = await Promise.all(
      this.namedFiles(file).map(async (one) => ({
        ...one,
        content: await readBounded(one.path, defaultLimits.authNamedFileBytesMax),
      })),
    );
    const fingerprint = [digest, ...named.map((one) => digestOf(one.content))].join();
    const problems = named.flatMap(({ place, content }) =>
      'problem' in content ? [`${place} ${content.problem}`] : [],
    );
    if (problems.length > 0) return { fingerprint, result: new AuthFileError(path, problems) };
    const contents = new Map(
      named.flatMap((one) => ('bytes' in one.content ? [[one.path, one.content.bytes] as const] : [])),
    );
    const clientCa = contents.get(this.clientCaFile ?? '');
    return { fingerprint, result: { path, file, contents, clientCa } };
  }

  /** The files that are read with the auth file, and where they are named. */
  private namedFiles({
    issuers,
    certificates,
  }: AuthFile): { readonly path: string; readonly place: string }[] {
    const crl = certificates?.crl_file;
    return [
      ...issuers.map(({ keys }, index) => ({ path: keys.file, place: `issuers[${index}].keys.file` })),
      { path: crl, place: 'certificates.crl_file' },
      // Without a list, nothing is verified with them here.
      { path: crl && this.clientCaFile, place: '--tls-client-ca' },
    ].flatMap(({ path, place }) => (path === undefined ? [] : [{ path, place }]));
  }
}

function parse(content: Content, path: string): AuthFile | AuthFileError {
  if ('problem' in content) return new AuthFileError(path, [content.problem]);
  try {
    return withAbsolutePaths(parseAuthFile(content.bytes, path), dirname(resolve(path)));
  } catch (error) {
    if (error instanceof AuthFileError) return error;
    throw error;
  }
}

function withAbsolutePaths(file: AuthFile, folder: string): AuthFile {
  const absolute = (path: string | undefined): string | undefined => path && resolve(folder, path);
  const { issuers, certificates, audit } = file;
  return {
    ...file,
    issuers: issuers.map(({ keys, ...issuer }) => ({
      ...issuer,
      keys: { ...keys, file: absolute(keys.file) },
    })),
    certificates: certificates && { ...certificates, crl_file: absolute(certificates.crl_file) },
    audit: audit && { ...audit, file: resolve(folder, audit.file) },
  };
}

/** `problem`: why the file cannot be read. */
type Content = { readonly bytes: Uint8Array } | { readonly problem: string };

async function readBounded(path: string, bytesMax: number): Promise<Content> {
  try {
    // To open something else, such as a pipe, could wait forever.
    if (!(await stat(path)).isFile()) return { problem: 'is not a file' };
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(path, { end: bytesMax })) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    return bytes.length > bytesMax ? { problem: `has more than ${bytesMax} bytes` } : { bytes };
  } catch (error) {
    return { problem: `cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
  }
}

function digestOf(content: Content): string {
  return createHash('sha256')
    .update('bytes' in content ? content.bytes : content.problem)
    .digest('base64');
}
