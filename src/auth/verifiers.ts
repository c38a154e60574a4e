import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';
import type { Logger } from 'pino';
import { AuthFileError } from './auth-file-error';
import type { LoadedFiles } from './auth-files';
import { createCertificateRules } from './certificate';
import type { SerialNumber } from './certificate-names';
import { parseRevocationLists, RevocationListError } from './crl';
import { openJwts, readIssuerKeys } from './issuers';
import type { JwtVerifier } from './jwt';
import { createTokens } from './token';
import type { Verifier } from './verifier';

/** What recognizes each kind of credential. */
export interface Verifiers {
  readonly tokens: Verifier<string>;
  readonly jwts: JwtVerifier;
  /** undefined: the auth file has no `certificates`, and a certificate identifies nobody. */
  readonly certificates: Verifier<DetailedPeerCertificate> | undefined;
}

/** What the verifiers of every generation use. */
export interface VerifiersOptions {
  readonly log: Logger;
  /** Called when keys of an issuer are gone: some identities may not be accepted any more. */
  readonly onKeysGone: () => void;
}

/** `previous`: those of the generation before. Rejects with AuthFileError. */
export async function openVerifiers(
  files: LoadedFiles,
  previous: Verifiers | undefined,
  options: VerifiersOptions,
): Promise<Verifiers> {
  const { file, path } = files;
  const problems: string[] = [];
  const keys = readIssuerKeys(files, problems);
  const revoked = revokedBy(files, options.log, problems);
  if (problems.length > 0) throw new AuthFileError(path, problems);
  return {
    tokens: createTokens(file.tokens),
    jwts: await openJwts(file, keys, previous?.jwts, options),
    certificates: file.certificates && createCertificateRules(file.certificates, revoked),
  };
}

function revokedBy(
  { file: { certificates }, contents, clientCa }: LoadedFiles,
  log: Logger,
  problems: string[],
): ReadonlySet<SerialNumber> {
  const content = contents.get(certificates?.crl_file ?? '');
  if (content === undefined) return new Set();
  try {
    const lists = parseRevocationLists(content, clientCa && authoritiesIn(clientCa));
    for (const { nextUpdateMs = Infinity } of lists) {
      if (nextUpdateMs < Date.now()) {
        log.warn({ nextUpdate: new Date(nextUpdateMs) }, 'a newer list of revoked certificates is due');
      }
    }
    return new Set(lists.flatMap((list) => list.revoked));
  } catch (error) {
    if (!(error instanceof RevocationListError)) throw error;
    problems.push(`certificates.crl_file ${error.message}`);
    return new Set();
  }
}

/** Of a file that TLS accepts. */
function authoritiesIn(pem: Uint8Array): X509Certificate[] {
  const blocks = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN (TRUSTED )?CERTIFICATE-----[^-]*-----END \1CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}
