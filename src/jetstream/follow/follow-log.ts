import type { Durability } from '../../store/durability';
import { StoreUnavailableError } from '../../store/errors';
import type { LogCursor, LogSink } from '../../store/log';
import { identityIn } from '../log/identity';
import { startLogConsumer, type LogConsumer } from './log-consumer';
import { createEntries, type Entries } from '../log/log-entries';
import type { StoredMessage } from '../nats/message';
import type { LogAccess } from '../log/log-access';

/** The log, of which a follower gets nothing before it is durable. */
export interface DurableLog {
  readonly access: LogAccess;
  readonly durability: Durability;
}

/**
 * Gives the entries after a place to a sink until the signal is aborted or nothing comes any more; says why. The consumer begins
 * with the last commit that is known: it is compared, and from then on the consumer's own count shows whether it goes on.
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
    onNothing(through: bigint) {
      pump.passTo(through);
    },
    onProgress() {
      sink.onProgress();
    },
    isAwaited: () => sink.isAwaited(),
  };
  const { sequence, last } = after;
  const begin = last === undefined ? sequence : last.sequence - 1n;
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

/** Takes what comes, and gives it to a sink as fast as that takes it. */
class Pump {
  /** Rejects when the sink or a sync fails. */
  readonly failed: Promise<never>;
  consumer: LogConsumer | undefined;
  private fail: (error: unknown) => void = () => undefined;
  private readonly entries: Entries;
  private waiting: StoredMessage[] = [];
  private nothingThrough = 0n;
  private running: Promise<void> | undefined;
  private isStopped = false;
  /** What must come first. */
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

  passTo(through: bigint): void {
    this.nothingThrough = through;
    this.begin();
  }

  stop(): void {
    this.isStopped = true;
    this.waiting = [];
    this.nothingThrough = 0n;
  }

  async idle(): Promise<void> {
    await this.running;
  }

  private begin(): void {
    this.running ??= this.run().catch(this.fail);
  }

  private async run(): Promise<void> {
    // What came together is taken together.
    await new Promise((resolve) => setImmediate(resolve));
    while ((this.waiting.length > 0 || this.nothingThrough > 0n) && !this.isStopped) {
      const messages = this.waiting;
      this.waiting = [];
      for (const message of messages) this.add(message);
      if (this.nothingThrough > 0n) this.passed(this.nothingThrough);
      this.nothingThrough = 0n;
      await this.give();
      this.consumer?.handled(messages.length);
    }
    this.running = undefined;
  }

  private add(message: StoredMessage): void {
    const { log, expected, after } = this;
    if (expected !== undefined) {
      const isSame =
        message.sequence === expected.sequence && identityIn(log.access, message) === expected.identity;
      if (!isSame) throw otherCommit(expected.sequence);
      this.expected = undefined;
    }
    if (message.sequence > after.sequence) this.entries.add(message);
  }

  private passed(through: bigint): void {
    const { expected, after } = this;
    if (expected !== undefined) throw otherCommit(expected.sequence);
    if (through > after.sequence) this.entries.skipTo(through + 1n);
  }

  private async give(): Promise<void> {
    const { groups, upTo } = this.entries.take();
    if (upTo === 0n) return;
    // Reads need no check of their own: the replica gets nothing that a loss of power could take back.
    const syncing = this.log.durability.whenDurable(upTo);
    if (syncing !== undefined) await syncing;
    if (!this.isStopped) await this.sink.receive(groups, upTo);
  }
}

function otherCommit(sequence: bigint): StoreUnavailableError {
  return new StoreUnavailableError(
    `the commit that was read at ${sequence.toString()} is not in the log any more`,
  );
}
