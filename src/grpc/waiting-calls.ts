import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import type { Connection } from './connections';

type Refuse = (error: OverloadedError) => void;

/**
 * The calls that wait until their caller is identified. They are bounded, and where there are too many, one of the connection that
 * has most is refused: a caller with tokens that are never accepted must not shut out others.
 */
export class WaitingCalls {
  private readonly byConnection = new Map<Connection, Set<Refuse>>();
  private count = 0;
  private readonly max: number;

  /** However long they wait, calls of callers that are known find places. */
  constructor({ identifyingMax, callsMax }: Pick<Limits, 'identifyingMax' | 'callsMax'>) {
    this.max = Math.max(1, Math.min(identifyingMax, Math.floor(callsMax / 8)));
  }

  get size(): number {
    return this.count;
  }

  /** Ends as the work does, or rejects with OverloadedError, at once or once others need the place. */
  wait<T>(connection: Connection, work: Promise<T>): Promise<T> {
    let refuse: Refuse | undefined;
    const refused = new Promise<never>((_resolve, reject) => {
      this.enter(connection, reject);
      refuse = reject;
    });
    return Promise.race([work, refused]).finally(() => {
      if (refuse !== undefined) this.leave(connection, refuse);
    });
  }

  private enter(connection: Connection, refuse: Refuse): void {
    const own = this.byConnection.get(connection) ?? new Set();
    if (this.count >= this.max) this.makeSpace(own.size);
    this.byConnection.set(connection, own.add(refuse));
    this.count++;
  }

  /** Throws OverloadedError if no connection has more than the newcomer would have. */
  private makeSpace(ownSize: number): void {
    const error = new OverloadedError('identifyingMax', `${this.count} callers are being identified already`);
    const sizes = [...this.byConnection].map(([connection, { size }]) => ({ connection, size }));
    const [largest] = sizes.sort((a, b) => b.size - a.size);
    const [refuse] = (largest && this.byConnection.get(largest.connection)) ?? [];
    if (largest === undefined || refuse === undefined || largest.size <= ownSize + 1) throw error;
    this.leave(largest.connection, refuse);
    refuse(error);
  }

  private leave(connection: Connection, refuse: Refuse): void {
    const own = this.byConnection.get(connection);
    if (own?.delete(refuse) !== true) return;
    this.count--;
    if (own.size === 0) this.byConnection.delete(connection);
  }
}
