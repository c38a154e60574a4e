/** A file of the replica does not have what was written to it; the message says which. The replica is rebuilt from the log. */
export class DamagedReplicaError extends Error {}

/** LMDB's error codes for a damaged file: no page, corrupted, panic, version, invalid, incompatible, bad transaction, problem. */
const damageCodes = [-30797, -30796, -30795, -30794, -30793, -30784, -30782, -30779];

/** Whether an error means that a file of the replica is damaged. */
export function isDamagedReplica(error: unknown): boolean {
  if (error instanceof DamagedReplicaError) return true;
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'number' && damageCodes.includes(code);
}
