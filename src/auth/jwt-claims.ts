import type { JWTPayload } from 'jose';
import { defaultLimits } from '../limits';
import { UnauthenticatedError } from './errors';
import type { Identity } from './identity';
import { isPrincipalName } from './principal';
import type { IssuerEntry } from './schema';

/** How far the clocks of an issuer and the gateway may differ. */
export const toleranceSeconds = defaultLimits.jwtToleranceMs / 1_000;

/**
 * The caller that a JWT names, if its issuer may say so; its signature, `iss`, `aud`, `exp` and `nbf` are right. Roles that are not in `roles`
 * are left out. Throws UnauthenticatedError, whose message holds no value of a claim.
 */
export function identityOf(
  payload: JWTPayload,
  issuer: IssuerEntry,
  roles: ReadonlySet<string>,
  nowMs: number,
): Identity {
  const { exp = 0, jti } = payload;
  checkLife(payload, issuer.life_max_s, nowMs / 1_000);
  const name = payload[issuer.principal_claim];
  if (typeof name !== 'string' || !isPrincipalName(name)) {
    throw invalid('the claim with the principal has no value that can be one');
  }
  return {
    principal: `${issuer.name}:${name}`,
    credential: { kind: 'jwt', id: typeof jti === 'string' ? jti : '' },
    roles: rolesIn(payload, issuer, roles),
    claims: new Map(
      Object.entries(payload).filter((claim): claim is [string, string] => typeof claim[1] === 'string'),
    ),
    expiresAtMs: (exp + toleranceSeconds) * 1_000,
  };
}

/** Without `iat`, what is left of the life counts. */
function checkLife({ exp = 0, iat }: JWTPayload, lifeMax: number, now: number): void {
  if (iat !== undefined && iat > now + toleranceSeconds) throw invalid('the token is issued in the future');
  const life = iat === undefined ? exp - now - toleranceSeconds : exp - iat;
  if (life > lifeMax) throw invalid('the token lives longer than is accepted');
}

function rolesIn(
  payload: JWTPayload,
  { roles_claim: claim, roles: always }: IssuerEntry,
  known: ReadonlySet<string>,
): readonly string[] {
  const value = claim === undefined ? undefined : payload[claim];
  // As in the claim `scope`.
  const names: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  const ofClaim = names.filter((name): name is string => typeof name === 'string' && known.has(name));
  const roles = [...new Set([...always, ...ofClaim])];
  // To leave some out would take away what the caller may do.
  if (roles.length > defaultLimits.authRolesMax) throw invalid('the token has too many roles');
  return roles;
}

/** Whether one value of the claim `aud` is the audience. */
export function isFor(audience: string, { aud }: JWTPayload): boolean {
  return Array.isArray(aud) ? aud.includes(audience) : aud === audience;
}

export function invalid(message: string): UnauthenticatedError {
  return new UnauthenticatedError('invalid', message);
}
