import { isStreamPattern, parseStreamName } from '../store/values';

/** Patterns of grants: those of streams, in which a whole token may be a claim of the caller, such as `tenant.{tenant}.>`. */

const claimToken = /(?<=^|\.)\{([A-Za-z0-9_:/@+=~.-]{1,128})\}(?=\.|$)/g;

/** Whether a text may be a pattern of a grant. */
export function isGrantPattern(text: string): boolean {
  return isStreamPattern(text.replace(claimToken, 'x'));
}

/** The names of the claims in a pattern. */
export function claimsIn(pattern: string): readonly string[] {
  return Array.from(pattern.matchAll(claimToken), ([, claim = '']) => claim);
}

/** The value of a claim, if it can be a token of a stream name: nothing that would match more than itself. */
export function tokenOf(claims: ReadonlyMap<string, string>, claim: string): string | undefined {
  const value = claims.get(claim) ?? '';
  return value.includes('.') ? undefined : parseStreamName(value);
}

/** The pattern with the values of its claims; undefined: one of them has no value that is a token, or the result is too long. */
export function withClaims(pattern: string, claims: ReadonlyMap<string, string>): string | undefined {
  if (!claimsIn(pattern).every((claim) => tokenOf(claims, claim) !== undefined)) return undefined;
  const resolved = pattern.replace(claimToken, (_, claim: string) => tokenOf(claims, claim) ?? '');
  return isStreamPattern(resolved) ? resolved : undefined;
}
