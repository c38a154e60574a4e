import type { DetailedPeerCertificate } from 'node:tls';
import type { Logger } from 'pino';
import type { LoadedFiles } from './auth-files';
import { createCertificateRules } from './certificate';
import type { SerialNumber } from './certificate-names';
import type { RevocationList } from './crl';
import { openJwts, type JwtOptions } from './issuers';
import type { JwtVerifier } from './jwt';
import { readNamedFiles } from './named-files';
import { createTokens } from './token';
import type { Verifier } from './verifier';

/** What recognizes each kind of credential. */
export interface Verifiers {
  readonly tokens: Verifier<string>;
  readonly jwts: JwtVerifier;
  /** undefined: the auth file has no `certificates`, and a certificate identifies nobody. */
  readonly certificates: Verifier<DetailedPeerCertificate> | undefined;
}

/** `previous`: those of the generation before. Rejects with AuthFileError. */
export async function openVerifiers(
  files: LoadedFiles,
  previous: Verifiers | undefined,
  options: JwtOptions,
): Promise<Verifiers> {
  const { file } = files;
  const { keys, revocationLists } = readNamedFiles(files);
  const revoked = revokedBy(revocationLists, options.log);
  return {
    tokens: createTokens(file.tokens),
    jwts: await openJwts(file, keys, previous?.jwts, options),
    certificates: file.certificates && createCertificateRules(file.certificates, revoked),
  };
}

function revokedBy(lists: readonly RevocationList[], log: Logger): ReadonlySet<SerialNumber> {
  for (const { nextUpdateMs = Infinity } of lists) {
    if (nextUpdateMs < Date.now()) {
      log.warn({ nextUpdate: new Date(nextUpdateMs) }, 'a newer list of revoked certificates is due');
    }
  }
  return new Set(lists.flatMap((list) => list.revoked));
}
