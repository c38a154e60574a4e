import type { RecordedEvent, SluiceClient } from 'sluice-eventstore';
import { orderStreams } from './order-events';
import type { Progress } from './progress';
import type { ReadModel } from './read-model';

/** Events of one transaction at most. */
const batchMax = 1_000;

/** Keeps a read model up with the orders of the store, until the signal aborts. Fails as `client.subscribe` does. */
export async function project(
  client: SluiceClient,
  model: ReadModel,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  let pending: RecordedEvent[] = [];
  let soon: NodeJS.Immediate | undefined;
  let isLive = false as boolean; // set by what the subscription tells
  const failed = new AbortController();

  const commit = (): void => {
    model.apply(pending);
    progress.applied(pending.length);
    pending = [];
  };
  /** When everything that is at hand has been taken. */
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
    after: model.place,
    heartbeatMs: 1_000, // tells the lag
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
      if (pending.length >= batchMax) commit();
      else if (isLive) commitSoon();
    }
  } catch (error) {
    // What is still pending comes again, after the place that is stored.
    if (!signal.aborted) throw error;
  } finally {
    clearImmediate(soon);
  }
}
