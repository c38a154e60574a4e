import { isStreamPattern, parseStreamName } from '../store/values';

/** Patterns of grants: those of streams, in which a whole token may be a claim of the caller, such as `tenant.{tenant}.>`. */

const claim = /^\{([A-Za-z0-9_:/@+=~-]{1,128})\}$/;

/** The claim that a token stands for; undefined: the token stands for itself. */
function claimOf(token: string): string | undefined {
  return claim.exec(token)?.[1];
}

/** Whether a text may be a pattern of a grant. */
export function isGrantPattern(text: string): boolean {
  const tokens = text.split('.').map((token) => (claimOf(token) === undefined ? token : 'x'));
  return isStreamPattern(tokens.join('.'));
}

/** The names of the claims in a pattern. */
export function claimsIn(pattern: string): readonly string[] {
  return pattern.split('.').flatMap((token) => claimOf(token) ?? []);
}

/** The value of a claim, if it can be a token of a stream name: nothing that would match more than itself. */
export function claimToken(claims: ReadonlyMap<string, string>, claim: string): string | undefined {
  const value = claims.get(claim) ?? '';
  return value.includes('.') ? undefined : parseStreamName(value);
}

/** The pattern with the values of its claims; undefined: one of them has no value that is a token, or the result is too long. */
export function withClaims(pattern: string, claims: ReadonlyMap<string, string>): string | undefined {
  const tokens: string[] = [];
  for (const token of pattern.split('.')) {
    const claim = claimOf(token);
    const value = claim === undefined ? token : claimToken(claims, claim);
    if (value === undefined) return undefined;
    tokens.push(value);
  }
  const resolved = tokens.join('.');
  return isStreamPattern(resolved) ? resolved : undefined;
}
