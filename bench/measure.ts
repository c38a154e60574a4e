import type { Clients } from './clients';
import type { Operation, PeerName } from './job';
import { roundsOf } from './rounds';
import type { Settings } from './settings';
import type { Slot } from './statistics';

/** One of the two things that a table compares. */
export interface Side {
  readonly label: string;
  readonly clients: Clients;
  readonly peer: PeerName;
}

/** An operation that is measured on both sides. */
export interface Row {
  readonly what: string;
  readonly callers: number;
  /** Calls of each caller in one slot. */
  readonly callsEach: number;
  /** Events that one call writes or reads. */
  readonly events: number;
  /** For each side. */
  readonly operations: readonly [Operation, Operation];
  /** If they are not the peers of the sides. */
  readonly peers?: readonly [PeerName, PeerName];
  /** Runs before each slot, by the same callers, and is not measured. */
  readonly before?: readonly [Operation | undefined, Operation | undefined];
}

/** A table before it is measured. */
export interface Plan {
  readonly sides: readonly [Side, Side];
  /** Waits until all work of earlier slots is done. */
  readonly settle: () => Promise<void>;
}

export interface MeasuredRow {
  readonly row: Row;
  /** The slots of all rounds, for each side. */
  readonly slots: readonly [readonly Slot[], readonly Slot[]];
}

/**
 * Measures a row: the sides alternate, slot by slot, so that disturbances of the machine affect both.
 */
export async function measure(
  plan: Plan,
  row: Row,
  settings: Settings,
  signal: AbortSignal,
): Promise<MeasuredRow> {
  const slots: [Slot[], Slot[]] = [[], []];
  for (const { index, counts } of roundsOf(settings)) {
    for (const side of [0, 1] as const) {
      signal.throwIfAborted();
      const { clients } = plan.sides[side];
      const peer = row.peers?.[side] ?? plan.sides[side].peer;
      const { callers, callsEach } = row;
      const job = { peer, callers, callsEach, firstCall: index * callsEach };
      const before = row.before?.[side];
      if (before !== undefined) await clients.run({ ...job, operation: before });
      await plan.settle();
      const slot = await clients.run({ ...job, operation: row.operations[side] });
      if (counts) slots[side].push(slot);
    }
  }
  return { row, slots };
}
