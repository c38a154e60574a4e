import type { Cursor, RecordedEvent, SluiceClient } from 'sluice-eventstore';
import { orderStreams } from './order-events';
import type { Progress } from './progress';
import type { ReadModel } from './read-model';

/** The largest number of events in one transaction. */
const batchMax = 1_000;

/** Updates a read model from the orders of the store, until the signal aborts. Fails like `client.subscribe`. */
export async function project(
  client: SluiceClient,
  model: ReadModel,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  let pending: RecordedEvent[] = [];
  /** After the last of these. */
  let cursor: Cursor | undefined;
  let soon: NodeJS.Immediate | undefined;
  let isLive = false as boolean; // set by the callbacks of the subscription
  const failed = new AbortController();

  const commit = (): void => {
    model.apply(pending, cursor);
    progress.applied(pending.length);
    pending = [];
  };
  /** Commits when the events that have arrived are all pending. */
  const commitSoon = (): void => {
    soon ??= setImmediate(() => {
      soon = undefined;
      try {
        commit();
      } catch (error) {
        failed.abort(error);
      }
    });
  };

  const subscription = client.subscribe({
    patterns: [orderStreams],
    after: model.cursor,
    heartbeatMs: 1_000, // updates the lag
    signal: AbortSignal.any([signal, failed.signal]),
    onCaughtUp() {
      commit();
      isLive = true;
      progress.live();
    },
    onFellBehind() {
      isLive = false;
      progress.catchingUp('fell behind');
    },
    onReconnect(error) {
      isLive = false;
      progress.catchingUp(error.message);
    },
  });

  progress.begin(model, subscription);
  try {
    for await (const event of subscription) {
      pending.push(event);
      ({ cursor } = subscription);
      if (pending.length >= batchMax) commit();
      else if (isLive) commitSoon();
    }
  } catch (error) {
    // Pending events come again, because the saved cursor is before them.
    if (!signal.aborted) throw error;
  } finally {
    clearImmediate(soon);
  }
}
