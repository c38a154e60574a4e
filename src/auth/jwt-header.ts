import { decodeJwt, decodeProtectedHeader } from 'jose';
import { invalid } from './jwt-claims';

/** What a JWT says about itself before it is verified: to be used only to find the key that verifies it. */
export interface Claimed {
  readonly issuer: string;
  readonly algorithm: string;
  readonly kid: string | undefined;
}

/** Throws UnauthenticatedError if the text cannot be a JWT. */
export function readClaimed(token: string): Claimed {
  const { alg, kid, iss } = decoded(token);
  if (typeof iss !== 'string') throw invalid('the token has no issuer');
  return { issuer: iss, algorithm: String(alg), kid: typeof kid === 'string' ? kid : undefined };
}

function decoded(token: string): { alg?: unknown; kid?: unknown; iss?: unknown } {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    return { alg, kid, iss: decodeJwt(token).iss };
  } catch {
    throw invalid('the token is neither an API token nor a JWT');
  }
}
