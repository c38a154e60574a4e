import type { Guard } from '../auth/guard';
import { createQuotas, type Share } from '../auth/quota';
import type { Limits } from '../limits';
import type { Access } from './access';
import type { Connection } from './connections';

/** What a call is counted in; undefined: there is no auth file, and nothing but the bounds of its connection. */
export type ShareOf = (access: Access, connection: Connection) => Share | undefined;

export function createShareOf(guard: Guard, limits: Limits): ShareOf {
  if (!guard.isOn) return () => undefined;
  const quotas = createQuotas(limits);
  return ({ identity }, connection) =>
    identity.credential.kind === 'none'
      ? (connection.anonymousShare ??= quotas.forAnonymousConnection())
      : quotas.of(identity.principal);
}
