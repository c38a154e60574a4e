import type { DetailedPeerCertificate } from 'node:tls';
import type { Logger } from 'pino';
import type { LoadedFiles } from './auth-files';
import { createCertificateRules, type Revocation } from './certificate';
import { rootsOf } from './certificate-chain';
import { openJwts, type JwtOptions } from './issuers';
import type { JwtVerifier } from './jwt';
import { readNamedFiles, type NamedFiles } from './named-files';
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
  const named = readNamedFiles(files);
  const revocation = revocationBy(named, options.log);
  return {
    tokens: createTokens(file.tokens),
    jwts: await openJwts(file, named.keys, previous?.jwts, options),
    certificates: file.certificates && createCertificateRules(file.certificates, revocation),
  };
}

function revocationBy({ revocationLists, authorities }: NamedFiles, log: Logger): Revocation | undefined {
  for (const { nextUpdateMs = Infinity } of revocationLists) {
    if (nextUpdateMs < Date.now()) {
      log.warn({ nextUpdate: new Date(nextUpdateMs) }, 'a newer list of revoked certificates is due');
    }
  }
  if (revocationLists.length === 0) return undefined;
  const serials = new Set(revocationLists.flatMap((list) => list.revoked));
  return { serials, roots: authorities && rootsOf(authorities) };
}
