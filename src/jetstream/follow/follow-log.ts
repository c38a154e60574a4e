import type { Durability } from '../../store/durability';
import { StoreUnavailableError } from '../../store/errors';
import type { LogCursor, LogSink } from '../../store/log';
import { sequenceAfter, beginning, type Sequence } from '../../store/values';
import { identityAt, identityIn } from '../log/identity';
import type { PullConsumer } from '../nats/pull-consumer';
import { startLogConsumer } from './log-consumer';
import { createEntries, type Entries } from '../log/log-entries';
import type { StoredMessage } from '../nats/message';
import { endless } from '../log/bounded-call';
import { isLaterPart } from '../log/commit-codec';
import type { LogAccess } from '../log/log-access';
import type { Fate } from '../log/removed-messages';

/** A log of which followers get only what is durable. */
export interface DurableLog {
  readonly access: LogAccess;
  readonly durability: Durability;
}

/**
 * Gives the entries after a cursor to a sink, until the signal is aborted or the consumer ends. Resolves with the reason.
 *
 * The consumer begins with the last known commit, which is compared with the one in the log. From then on the consumer counts its
 * deliveries, so that a gap is noticed.
 */
export async function followLog(
  log: DurableLog,
  after: LogCursor,
  sink: LogSink,
  signal: AbortSignal,
): Promise<string> {
  const pump = new Pump(log, after, sink);
  const events = {
    onMessage(message: StoredMessage) {
      pump.push(message);
    },
    onNothing(upTo: Sequence) {
      pump.skipTo(upTo);
    },
    onProgress() {
      sink.onProgress();
    },
    isAwaited: () => sink.isAwaited(),
  };
  const { sequence, last } = after;
  const begin = last === undefined ? sequence : sequenceAfter(last.sequence, -1n);
  const consumer = await startLogConsumer(log.access, begin, events, { signal, deadlineMs: Infinity });
  pump.consumer = consumer;
  sink.onStarted(() => {
    consumer.hurry();
  });
  const abort = (): void => {
    pump.stop();
    consumer.close();
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([consumer.lost, pump.failed]);
  } finally {
    signal.removeEventListener('abort', abort);
    abort();
    await pump.idle();
  }
}

/** Turns messages into entries and gives these to a sink, as fast as the sink takes them. */
class Pump {
  /** Rejects when the sink or a sync fails. */
  readonly failed: Promise<never>;
  consumer: PullConsumer | undefined;
  private fail: (error: unknown) => void = () => undefined;
  private readonly entries: Entries;
  private waiting: StoredMessage[] = [];
  private nothingUpTo: Sequence = beginning;
  /** Whether the last message was removed, and has no stub. */
  private isPastRemoved = false;
  /** Messages that were removed, since the sink got some. */
  private removed = 0n;
  private running: Promise<void> | undefined;
  private isStopped = false;
  /** The commit that must come first. */
  private expected: LogCursor['last'];

  constructor(
    private readonly log: DurableLog,
    private readonly after: LogCursor,
    private readonly sink: LogSink,
  ) {
    const { before } = log.access.health;
    const { sequence, last } = after;
    this.expected = last;
    this.entries = createEntries(log.access, sequence > before ? sequence : before);
    this.failed = new Promise((_resolve, reject) => (this.fail = reject));
    this.failed.catch(() => undefined);
  }

  push(message: StoredMessage): void {
    this.waiting.push(message);
    this.begin();
  }

  skipTo(upTo: Sequence): void {
    this.nothingUpTo = upTo;
    this.begin();
  }

  stop(): void {
    this.isStopped = true;
    this.waiting = [];
    this.nothingUpTo = beginning;
  }

  async idle(): Promise<void> {
    await this.running;
  }

  private begin(): void {
    this.running ??= this.run().catch(this.fail);
  }

  private async run(): Promise<void> {
    // Messages that arrive in the same turn of the event loop are given together.
    await new Promise((resolve) => setImmediate(resolve));
    while ((this.waiting.length > 0 || this.nothingUpTo > 0n) && !this.isStopped) {
      const messages = this.waiting;
      this.waiting = [];
      for (const message of messages) {
        const judging = this.add(message);
        if (judging !== undefined) await judging;
      }
      if (this.nothingUpTo > 0n) await this.skip(this.nothingUpTo);
      this.nothingUpTo = beginning;
      await this.give();
      this.consumer?.handled(messages.length);
    }
    this.running = undefined;
  }

  /** Returns undefined if there is nothing to judge, as nearly always. */
  private add(message: StoredMessage): Promise<void> | undefined {
    const { log, expected, after, entries } = this;
    if (expected !== undefined && message.sequence > expected.sequence)
      return this.meetRemoved(expected).then(() => this.add(message));
    if (expected !== undefined) {
      const isSame =
        message.sequence === expected.sequence && identityIn(log.access, message) === expected.identity;
      if (!isSame) throw otherCommit(expected.sequence);
      this.expected = undefined;
    }
    if (message.sequence <= after.sequence) return undefined;
    if (message.sequence > entries.next || this.isPastRemoved) return this.judge(message);
    entries.add(message);
    return undefined;
  }

  private async skip(upTo: Sequence): Promise<void> {
    const { expected, after } = this;
    if (expected !== undefined) await this.meetRemoved(expected);
    if (upTo > after.sequence) await this.fillUpTo(upTo);
  }

  /** Throws StoreUnavailableError unless the commit that must come first was erased, and its stub is in its place. */
  private async meetRemoved({ sequence, identity }: NonNullable<LogCursor['last']>): Promise<void> {
    if ((await identityAt(this.log.access, sequence, endless)) !== identity) throw otherCommit(sequence);
    this.expected = undefined;
  }

  /** Adds a message after others that are missing. */
  private async judge(message: StoredMessage): Promise<void> {
    const { entries } = this;
    await this.fillUpTo(sequenceAfter(message.sequence, -1n));
    // While a commit is being removed, its last parts may be left.
    if (this.isPastRemoved && isLaterPart(message)) {
      const fate = await this.log.access.removed.fateOf(message.sequence, endless);
      if (fate.kind !== 'lost') {
        this.account(fate);
        return;
      }
    }
    this.isPastRemoved = false;
    entries.add(message);
  }

  private async fillUpTo(last: Sequence): Promise<void> {
    const { next } = this.entries;
    if (next > last) return;
    for (const fate of await this.log.access.removed.fates(next, last, endless)) this.account(fate);
  }

  private account(fate: Fate): void {
    this.isPastRemoved = fate.kind === 'removed';
    if (fate.kind !== 'lost') this.removed += fate.kind === 'stub' ? 1n : fate.last - fate.first + 1n;
    if (fate.kind === 'stub') this.entries.addStub(fate.stub);
    else if (fate.kind === 'lost') this.entries.skipTo(sequenceAfter(fate.last, 1n));
    else this.entries.passTo(sequenceAfter(fate.last, 1n));
  }

  private async give(): Promise<void> {
    const { groups, upTo } = this.entries.take();
    if (upTo === 0n) return;
    // Reads need no further check: the replica gets nothing that a power failure could lose.
    const syncing = this.log.durability.whenDurable(upTo);
    if (syncing !== undefined) await syncing;
    const { removed } = this;
    this.removed = 0n;
    if (!this.isStopped) await this.sink.receive(groups, upTo, removed);
  }
}

function otherCommit(sequence: Sequence): StoreUnavailableError {
  return new StoreUnavailableError(
    `the commit that was read at ${sequence.toString()} is no longer in the log`,
  );
}
