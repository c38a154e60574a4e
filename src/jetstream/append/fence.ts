import { createSemaphore } from '../../collections/semaphore';
import type { AppendCondition, QueryMatch } from '../../store/append-condition';
import type { CallContext } from '../../store/event-store';
import type { LogView } from '../../store/log';
import type { FenceFacts } from '../../store/store-facts';
import { beginning, sequenceAfter, type Sequence } from '../../store/values';
import type { LogAccess } from '../log/log-access';
import type { Published } from './publisher';
import { OwnAppend } from './own-append';
import type { Transaction } from './transaction';

/** Rounds after which an append with a condition gives up: each of them was lost to an append of somebody else. */
export const conditionRoundsMax = 20;
/** Rounds after which the other appends of this gateway wait until the condition is decided. */
const openRoundsMax = 3;
/** Appends in flight, one after another, on a server that is in no cluster. Each one that is lost halves how many there may be. */
const inFlightMax = 64;

export const noFence: FenceFacts = { attempts: 0, lost: 0, waiting: 0 };

/** Where the log ends, as this gateway knows it, or assumes. */
export interface End {
  readonly sequence: Sequence;
  /** What is stored up to there, or assumed to be, and is not in the view. */
  readonly own: readonly OwnAppend[];
  /** The commit id that must be there; undefined: what is stored up to there is known. */
  readonly messageId: string | undefined;
}

/**
 * The fence of appends whose condition is about all streams: such an append is published on condition that the log still ends with the
 * sequence up to which its query was evaluated. On a server that is in no cluster, the next one may follow before the
 * answer: it assumes that the first one takes the next sequence, and also names the commit id that must be there. Without that it would
 * be stored after an append of somebody else in that place, which nobody had evaluated. In a cluster, one is in flight at a time: a
 * server that has just begun to store the log does not know its last commit id, and would refuse what the others store.
 */
export class Fence {
  private readonly turns = createSemaphore(1);
  /** The log up to here is what the view has, and after that `own`. */
  private end: Sequence = beginning;
  private own: OwnAppend[] = [];
  private room = 1;
  /** Appends that hold the others back. */
  private holders = 0;
  private readonly heldBack: (() => void)[] = [];
  private readonly counts = { ...noFence };

  /** `isOrdered`: whether what is published arrives in that order. */
  constructor(
    private readonly log: Pick<LogAccess, 'health'>,
    private readonly view: LogView,
    private readonly isOrdered: boolean,
  ) {
    // Sequences may be given again.
    log.health.onDoubt(() => {
      this.forget();
    });
  }

  get facts(): FenceFacts {
    return this.counts;
  }

  /** Runs one append after another, in the order in which they ask. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.counts.waiting++;
    try {
      return await this.turns.with(1, undefined, work);
    } finally {
      this.counts.waiting--;
    }
  }

  /** Resolves when there may be room for another append in flight; undefined: there is. `alone`: none may be in flight. */
  full(alone: boolean): Promise<void> | undefined {
    const isPipelined = !alone && this.isOrdered && this.log.health.isUnclustered;
    let left = isPipelined ? Math.floor(this.room) : 1;
    let first: OwnAppend | undefined;
    for (const append of this.own) {
      if (append.isAnswered) continue;
      first ??= append;
      left--;
    }
    return left > 0 ? undefined : first?.settled;
  }

  /** Resolves when it is known where the log ends; undefined: it is. Rejects with StoreErrors. */
  catchUp(call: CallContext): Promise<unknown> | undefined {
    const { view } = this;
    return view.isReady && !view.isDoubted ? undefined : view.catchUp(call);
  }

  known(): End {
    const { applied } = this.view;
    if (applied >= this.end) {
      this.end = applied;
      this.own = [];
    } else if ((this.own[0]?.sequence ?? applied) <= applied) {
      this.own = this.own.filter(({ sequence }) => sequence > applied);
    }
    return { sequence: this.end, own: this.own, messageId: this.predecessor() };
  }

  /** The commit id of the last append, unless it is known to be there. */
  private predecessor(): string | undefined {
    const last = this.own.at(-1);
    return last === undefined || last.isStored ? undefined : last.transaction.commitId;
  }

  /** The first event that a condition rules out, of those up to an end that the view has; undefined: the condition begins later. */
  matchInView(
    { query, after }: AppendCondition,
    { sequence, own }: End,
    call: CallContext,
  ): Promise<QueryMatch | undefined> | undefined {
    const { view } = this;
    const upTo = own[0] === undefined || view.applied > sequence ? sequence : view.applied;
    return after >= upTo ? undefined : view.firstMatch(query, { after, upTo, stream: undefined }, call);
  }

  /** The same of those that only this gateway knows; an append in flight: that one decides whether there is such an event. */
  matchInOwn({ query, after }: AppendCondition, { own }: End): QueryMatch | OwnAppend | undefined {
    for (const append of own) {
      const match = append.sequence > after ? append.match(query) : undefined;
      if (match !== undefined) return append.isStored ? match : append;
    }
    return undefined;
  }

  /** A transaction of one message, or of several, was published on condition that the log ends there. */
  onSent(
    { sequence: end }: End,
    transaction: Transaction,
    messages: number,
    answer: Promise<Published>,
  ): void {
    this.counts.attempts++;
    if (this.end !== end) return;
    const sequence = sequenceAfter(end, BigInt(messages));
    const append = new OwnAppend(transaction, sequence, answer);
    this.own.push(append);
    this.end = sequence;
    void append.settled.then(() => {
      if (append.isStored) this.room = Math.min(this.room + 1, inFlightMax);
      else if (this.own.includes(append)) this.forget();
    });
  }

  /** Somebody else was faster: waits for what the leader of the log has. Throws StoreErrors. */
  async afterLoss(call: CallContext): Promise<void> {
    this.counts.lost++;
    await this.view.catchUp(call);
  }

  /** Resolves when other appends may be published; undefined: now. */
  get pass(): Promise<void> | undefined {
    return this.holders === 0 ? undefined : new Promise((resolve) => this.heldBack.push(resolve));
  }

  /** After this number of rounds, others wait until the returned function is called; undefined: not yet. */
  holdAfter(rounds: number): (() => void) | undefined {
    if (rounds !== openRoundsMax) return undefined;
    this.holders++;
    return () => {
      if (--this.holders > 0) return;
      for (const go of this.heldBack.splice(0)) go();
    };
  }

  private forget(): void {
    this.own = [];
    this.end = beginning;
    this.room = Math.max(1, this.room / 2);
  }
}
