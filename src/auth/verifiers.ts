import type { DetailedPeerCertificate } from 'node:tls';
import type { LoadedFiles } from './auth-files';
import { UnauthenticatedError } from './errors';
import { createTokens } from './token';
import type { Verifier } from './verifier';

/** What recognizes each kind of credential. */
export interface Verifiers {
  readonly tokens: Verifier<string>;
  readonly jwts: Verifier<string>;
  /** undefined: the auth file has no `certificates`, and a certificate identifies nobody. */
  readonly certificates: Verifier<DetailedPeerCertificate> | undefined;
}

/** `previous`: those of the generation before. Rejects with AuthFileError. */
export function openVerifiers({ file }: LoadedFiles, _previous: Verifiers | undefined): Promise<Verifiers> {
  return Promise.resolve({ tokens: createTokens(file.tokens), jwts: rejectAll, certificates: rejectAll });
}

const rejectAll: Verifier<unknown> = {
  identify: reject,
  rolesOf: reject,
  close: () => undefined,
};

function reject(): never {
  throw new UnauthenticatedError('invalid', 'credentials of this kind are not accepted');
}
