import { setTimeout as sleep } from 'node:timers/promises';
import { beginning, sequenceAfter, type Sequence } from '../../store/values';
import { within } from '../log/bounded-call';
import { leadsForCertain } from '../log/leadership';
import { apiGet, streamInfo, type StreamInfo } from '../nats/api';
import { toSequence, type StoredMessage } from '../nats/message';
import { startPullConsumer, type PullConsumer } from '../nats/pull-consumer';
import { subjectOf, type StateAccess } from './state-access';

/** Gets what a consumer delivers of the records. */
export interface RecordSink {
  /** The last message of a record: of every record once, and then of each that changes. */
  onMessage(message: StoredMessage): void;
  /** Everything that the stream had at this time of `performance.now()` has been delivered; the leader said this of it then. */
  onVerified(atMs: number, info: StreamInfo): Promise<void>;
}

/** The records to follow. */
export interface Selection {
  readonly access: StateAccess;
  /** Of keys, in NATS notation. They do not overlap. */
  readonly patterns: readonly string[];
}

const checkMs = 1_000;
const pauseMs = 25;
/** How long nothing may be delivered while something is missing. */
const standstillMs = 3_500;

/**
 * Follows records with a consumer until it ends, and resolves with the reason, or until a request fails.
 *
 * Heartbeats of a consumer do not show that it has delivered everything: it sends them also while it is paused, and on a server that
 * has not all of the stream yet. So the leader is asked, once a second, what comes after the last message that was delivered.
 */
export async function followRecords(
  selection: Selection,
  sink: RecordSink,
  signal: AbortSignal,
): Promise<string> {
  const { access, patterns } = selection;
  const { pool, stream, limits } = access;
  let delivered: Sequence = beginning;
  const filter = {
    deliver_policy: 'last_per_subject',
    filter_subjects: patterns.map((pattern) => subjectOf(access, pattern)),
  };
  const consumer: PullConsumer = await startPullConsumer(
    { link: pool.tail, stream: stream.name, purpose: 'state', selection: filter },
    {
      onMessage(message) {
        delivered = message.sequence;
        sink.onMessage(message);
        consumer.handled(1);
      },
      isAwaited: () => true,
    },
    within({ signal, deadlineMs: Infinity }, limits.requestTimeoutMs),
  );
  const over = new AbortController();
  const end = (): void => {
    over.abort();
  };
  signal.addEventListener('abort', end, { once: true });
  consumer.lost.then(end, end);
  const verifier = new Verifier(selection, () => delivered, over.signal);
  try {
    return await Promise.race([consumer.lost, verifier.run(sink)]);
  } finally {
    signal.removeEventListener('abort', end);
    end();
    consumer.close();
  }
}

/** Compares what a consumer has delivered with what the leader has, until the signal is aborted or nothing is delivered any more. */
class Verifier {
  constructor(
    private readonly selection: Selection,
    private readonly delivered: () => Sequence,
    private readonly over: AbortSignal,
  ) {}

  async run(sink: RecordSink): Promise<string> {
    while (!this.over.aborted) {
      const atMs = performance.now();
      const info = await this.ask();
      if (info !== undefined) {
        if (!(await this.isDelivered(toSequence(info.state.last_seq))))
          return 'the consumer of the records has stalled';
        await sink.onVerified(atMs, info);
      }
      await this.pause(checkMs);
    }
    return 'closed';
  }

  /** undefined: the server that replied may no longer be the leader. */
  private async ask(): Promise<StreamInfo | undefined> {
    const { pool, stream, limits } = this.selection.access;
    const options = { timeoutMs: limits.requestTimeoutMs, signal: this.over };
    const info = await streamInfo(pool.read(), stream.name, undefined, options);
    return leadsForCertain(info) ? info : undefined;
  }

  /** Waits until everything up to a sequence is delivered. Resolves with false when nothing is delivered any more. */
  private async isDelivered(end: Sequence): Promise<boolean> {
    let [last, movedMs] = [this.delivered(), performance.now()];
    while (await this.isMissing(end)) {
      const now = this.delivered();
      if (now !== last) [last, movedMs] = [now, performance.now()];
      if (this.over.aborted || performance.now() - movedMs > standstillMs) return false;
      await this.pause(pauseMs);
    }
    return true;
  }

  private async isMissing(end: Sequence): Promise<boolean> {
    const { access, patterns } = this.selection;
    const { pool, stream, limits } = access;
    const options = { timeoutMs: limits.requestTimeoutMs, signal: this.over };
    for (const pattern of patterns) {
      const delivered = this.delivered();
      if (delivered >= end) return false;
      const lookup = { seq: Number(sequenceAfter(delivered, 1n)), next_by_subj: subjectOf(access, pattern) };
      const next = await apiGet(pool.read(), stream, lookup, options);
      // It may have been delivered meanwhile; only that nothing comes next shows that nothing is missing.
      if (next !== undefined && next.sequence <= end) return true;
    }
    return false;
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.over }).catch(() => undefined);
  }
}
