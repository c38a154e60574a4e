import {
  ReflectionMode as WireMode,
  type AccessInfo,
  type AuthFileInfo,
} from '../../generated/sluice/v1/event_store_service';
import type { Guard } from '../auth/guard';
import type { Openness } from '../auth/openness';
import type { Access } from './access';
import type { ReflectionMode } from './identify-caller';
import { toTimestamp } from './proto-time';

/** How open the gateway is by its settings. */
export interface AboutAccess {
  /** Whether only this machine can reach the address. */
  readonly local: boolean;
  readonly tls: boolean;
  readonly clientCertificateRequired: boolean;
  readonly reflection: ReflectionMode;
}

const modes = {
  on: WireMode.ON,
  authenticated: WireMode.AUTHENTICATED,
  off: WireMode.OFF,
} as const satisfies Record<ReflectionMode, WireMode>;

/** As this caller may see it. */
export function toAccessInfo(
  about: AboutAccess,
  guard: Guard,
  { identity, permissions }: Access,
): AccessInfo {
  const openness = permissions.mayUseStore('admin') ? guard.openness() : undefined;
  return {
    ...about,
    controlled: guard.isOn,
    reflection: modes[about.reflection],
    principal: identity.principal,
    authFile: openness && toAuthFileInfo(openness),
  };
}

function toAuthFileInfo({ generation, tokensExpiring, ...openness }: Openness): AuthFileInfo {
  return {
    ...openness,
    generation: BigInt(generation),
    problems: [...openness.problems],
    anonymousGrants: [...openness.anonymousGrants],
    unusedRoles: [...openness.unusedRoles],
    tokensExpiring: tokensExpiring.map(({ id, expiresAtMs }) => ({
      id,
      expiresTime: toTimestamp(BigInt(expiresAtMs) * 1_000_000n),
    })),
  };
}
