/** The files of a replica are not what was written; the message says which. It is made again from the log. */
export class DamagedReplicaError extends Error {}

/** What LMDB says of a file that is damaged: no page, corrupted, panic, version, invalid, incompatible, bad transaction, problem. */
const damageCodes = [-30797, -30796, -30795, -30794, -30793, -30784, -30782, -30779];

/** Whether an error says that the files of a replica cannot be used as they are. */
export function isDamagedReplica(error: unknown): boolean {
  if (error instanceof DamagedReplicaError) return true;
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'number' && damageCodes.includes(code);
}
