import { createSemaphore } from '../../collections/semaphore';
import type { AppendCondition, QueryMatch } from '../../store/append-condition';
import { eventId, eventTags, eventType } from '../../protobuf/commit-record';
import { matchedItem, type EventQuery } from '../../store/event-query';
import type { CallContext } from '../../store/event-store';
import type { LogView } from '../../store/log';
import type { FenceFacts } from '../../store/store-facts';
import { beginning, position, type Sequence } from '../../store/values';
import type { LogAccess } from '../log/log-access';
import type { Transaction } from './transaction';

/** Rounds after which an append with a condition gives up: each of them was lost to an append of somebody else. */
export const conditionRoundsMax = 20;
/** Rounds after which the other appends of this gateway wait until the condition is decided. */
const openRoundsMax = 3;

export const noFence: FenceFacts = { attempts: 0, lost: 0, waiting: 0 };

/** An append of this gateway that the view may not have yet. */
interface OwnAppend {
  readonly transaction: Transaction;
  /** Of its last message: its position. */
  readonly sequence: Sequence;
}

/**
 * The fence of appends whose condition is about all streams: such an append is published on condition that the log still ends with the
 * sequence up to which its query was evaluated. One of them is in flight at a time. A second one, published on the assumption that the
 * first one takes the next sequence, would be stored after an append of somebody else in that place, which nobody had evaluated.
 */
export class Fence {
  private readonly turns = createSemaphore(1);
  /** The log up to here is what the view has, and after that `own`. */
  private end: Sequence = beginning;
  private own: OwnAppend[] = [];
  private isHeld = false;
  private readonly heldBack: (() => void)[] = [];
  private readonly counts = { ...noFence };

  constructor(
    { health }: Pick<LogAccess, 'health'>,
    private readonly view: LogView,
  ) {
    // Sequences may be given again.
    health.onDoubt(() => {
      this.forget();
    });
  }

  get facts(): FenceFacts {
    return this.counts;
  }

  /** Runs one append after another, in the order in which they ask. */
  async inTurn<T>(call: CallContext, work: () => Promise<T>): Promise<T> {
    this.counts.waiting++;
    try {
      return await this.turns.with(1, call.signal, work);
    } finally {
      this.counts.waiting--;
      this.letGo();
    }
  }

  /** The sequence up to which this gateway knows the log. Throws StoreErrors. */
  async known(call: CallContext): Promise<Sequence> {
    const { view } = this;
    if (!view.isReady || view.isDoubted) await view.catchUp(call);
    const { applied } = view;
    this.own = this.own.filter(({ sequence }) => sequence > applied);
    if (applied >= this.end) this.end = applied;
    return this.end;
  }

  /** The same after an attempt that somebody else was faster than: what the leader of the log has. Throws StoreErrors. */
  async afterLoss(round: number, call: CallContext): Promise<Sequence> {
    this.counts.lost++;
    if (round >= openRoundsMax) this.isHeld = true;
    this.forget();
    await this.view.catchUp(call);
    return this.known(call);
  }

  /** The first event up to the known end that a condition rules out. Throws StoreErrors. */
  async match(
    { query, after }: AppendCondition,
    upTo: Sequence,
    call: CallContext,
  ): Promise<QueryMatch | undefined> {
    const { own, view } = this;
    const inView = own[0] === undefined ? upTo : view.applied < upTo ? view.applied : upTo;
    const found = await view.firstMatch(query, { after, upTo: inView, stream: undefined }, call);
    if (found !== undefined) return found;
    for (const { transaction, sequence } of own) {
      const match = sequence > after ? matchIn(transaction, sequence, query) : undefined;
      if (match !== undefined) return match;
    }
    return undefined;
  }

  onAttempt(): void {
    this.counts.attempts++;
  }

  /** A transaction is stored right after an end that was known. */
  onStored(after: Sequence, transaction: Transaction, sequence: Sequence): void {
    // Meanwhile the log may have been put in doubt.
    if (this.end !== after) return;
    this.own.push({ transaction, sequence });
    this.end = sequence;
  }

  /** Resolves when other appends may be published; undefined: now. */
  get pass(): Promise<void> | undefined {
    return this.isHeld ? new Promise((resolve) => this.heldBack.push(resolve)) : undefined;
  }

  private letGo(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    for (const go of this.heldBack.splice(0)) go();
  }

  private forget(): void {
    this.own = [];
    this.end = beginning;
  }
}

function matchIn({ parts }: Transaction, sequence: Sequence, query: EventQuery): QueryMatch | undefined {
  for (const { bytes } of parts.flatMap(({ events }) => events)) {
    const span = { frame: 0, start: 0, end: bytes.length };
    const item = matchedItem(query, { type: eventType(bytes, span), tags: eventTags(bytes, span) });
    if (item !== undefined) return { item, position: position(sequence), eventId: eventId(bytes, span) };
  }
  return undefined;
}
