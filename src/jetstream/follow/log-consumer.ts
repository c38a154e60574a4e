import type { CallContext } from '../../store/event-store';
import type { Sequence } from '../../store/values';
import { within } from '../log/bounded-call';
import type { LogAccess } from '../log/log-access';
import {
  startPullConsumer,
  type ConsumerSource,
  type PullConsumer,
  type PullConsumerEvents,
} from '../nats/pull-consumer';
import { watchProgress } from './log-progress';

export interface LogConsumerEvents extends PullConsumerEvents {
  /** The log has no messages up to this sequence any more, though it ends there or later. */
  onNothing(upTo: Sequence): void;
  /** All messages of the log have been delivered, or more are being delivered. */
  onProgress(): void;
}

/** The reason if somebody has paused the consumer or changed its position. */
export const standstill = 'the consumer of the log has stalled while the log grows';

/** Starts a consumer of the messages of the log after a sequence, and compares what it delivers with the log. */
export async function startLogConsumer(
  log: LogAccess,
  after: Sequence,
  events: LogConsumerEvents,
  call: CallContext,
): Promise<PullConsumer> {
  let sequence = after;
  const consumer = await startPullConsumer(
    sourceAfter(log, after),
    {
      onMessage(message) {
        ({ sequence } = message);
        events.onMessage(message);
      },
      isAwaited: () => events.isAwaited(),
    },
    within(call, log.limits.requestTimeoutMs),
  );
  const endProgress = watchProgress(log, () => sequence, {
    onProgress() {
      events.onProgress();
    },
    onNothing(upTo) {
      sequence = upTo;
      events.onNothing(upTo);
    },
    onStandstill() {
      if (consumer.isRequesting) consumer.lose(standstill);
    },
  });
  consumer.lost.then(endProgress, endProgress);
  return consumer;
}

function sourceAfter({ pool, stream }: LogAccess, after: Sequence): ConsumerSource {
  const selection = { deliver_policy: 'by_start_sequence', opt_start_seq: Number(after + 1n) };
  return { link: pool.tail, stream: stream.name, purpose: 'replica', selection };
}
