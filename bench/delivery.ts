import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Histogram } from 'hdr-histogram-js';
import { newEvents } from './events';
import { streamName, type Operation } from './job';
import type { Peer } from './peer';

/** Appends rotate over these streams, because a stream takes one append at a time. */
const streamCount = 64;
const timeoutMs = 120_000;

/**
 * Appends at a fixed rate, whether responses arrive or not, and records for each subscriber how long the delivery of an event
 * took. Streams are new in every slot.
 */
export async function deliver(
  peer: Peer,
  { streams, rate, subscribers }: Operation & { kind: 'delivery' },
  { appends, firstCall }: { readonly appends: number; readonly firstCall: number },
  histogram: Histogram,
): Promise<void> {
  const sentMs = new Map<string, number>();
  let delivered = 0;
  const onEvent = (id: string): void => {
    const took = performance.now() - (sentMs.get(id) ?? NaN);
    histogram.recordValue(Math.max(1, Math.round(took * 1_000)));
    delivered++;
  };
  const name = (index: number): string => streamName(streams, firstCall, index % streamCount);
  const stops = await Promise.all(
    Array.from({ length: subscribers }, () => peer.follow(`${streams}.*`, onEvent)),
  );
  const last: Promise<void>[] = Array<Promise<void>>(streamCount).fill(Promise.resolve());
  const startedMs = performance.now();
  for (let sent = 0; sent < appends;) {
    const due = Math.min(appends, Math.ceil(((performance.now() - startedMs) * rate) / 1_000));
    for (; sent < due; sent++) {
      const index = sent;
      const [event] = newEvents(1);
      if (event === undefined) throw new Error('no event was generated');
      sentMs.set(event.id, performance.now());
      const before = last[index % streamCount];
      last[index % streamCount] = Promise.resolve(before).then(() =>
        peer.append(name(index), [event], Math.floor(index / streamCount)),
      );
    }
    await sleep(1);
  }
  await Promise.all(last);
  const giveUpMs = performance.now() + timeoutMs;
  while (delivered < appends * subscribers) {
    if (performance.now() > giveUpMs) throw new Error(`${delivered} of ${appends * subscribers} came`);
    await sleep(5);
  }
  for (const stop of stops) stop();
}
