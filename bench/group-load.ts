import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { connect as connectNats } from 'nats';
import { CommitRecord } from '../generated/sluice/v1/event';
import { connect } from '../src/client/client';
import { newEvents } from './events';
import { newHistogram } from './statistics';
import { toNewEvents } from './typescript-peer';

/** What a load process of groups does until it gets `stop`. */
export interface GroupTask {
  /** Members of a group, by the TypeScript client, or workers of a durable pull consumer, by the `nats` package. */
  readonly kind: GroupSide;
  /** Of the group or the consumer. */
  readonly name: string;
  readonly workers: number;
  /** Deliveries that each may have at a time. */
  readonly inFlight: number;
  /** Also appends, at this rate, and measures each delivery. */
  readonly delivery?: { readonly perSecond: number; readonly appends: number; readonly streams: string };
}

export type GroupSide = 'group' | 'pull';

/** How many events have come, and when the first and the last one did, in milliseconds since 1970. */
export interface GroupProgress {
  readonly received: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Of deliveries, at the end of a task with `delivery`: microseconds, as hdr-histogram-js packs them. */
  readonly histogram?: string;
}

export type GroupMessage = GroupProgress | { readonly error: string } | 'ready' | 'stopped';

export const pulledStream = 'EVENTS';
const reportMs = 10;
/** Appends rotate over these streams. */
const streamCount = 64;
const deliveryTimeoutMs = 60_000;

type Receive = (id: string) => void;
/** Settles what came, and goes. */
type Stop = () => Promise<void>;
type Load = Pick<GroupTask, 'name' | 'inFlight'>;

/** A channel of its own, as each service has. */
function joinGroup(address: string, { name, inFlight }: Load, receive: Receive): Stop {
  const client = connect(address);
  const stop = new AbortController();
  const handle = ({ id }: { readonly id: string }): void => {
    receive(id);
  };
  const options = { concurrency: inFlight, maxInFlight: inFlight, stop: stop.signal };
  const running = client.consume(name, handle, options);
  running.catch(fail);
  return async () => {
    stop.abort();
    await running;
    client.close();
  };
}

async function pull(natsUrl: string, { name, inFlight }: Load, receive: Receive): Promise<Stop> {
  const connection = await connectNats({ servers: natsUrl, noAsyncTraces: true });
  const consumer = await connection.jetstream().consumers.get(pulledStream, name);
  const messages = await consumer.consume({
    max_messages: inFlight,
    callback(message) {
      for (const { id } of CommitRecord.decode(message.data).events) receive(id);
      message.ack();
    },
  });
  return async () => {
    await messages.close();
    await connection.drain();
  };
}

/** Appends at a fixed rate, whether responses arrive or not, and calls `onAppend` before each. */
async function appendAtRate(
  address: string,
  { perSecond, appends, streams }: NonNullable<GroupTask['delivery']>,
  onAppend: Receive,
): Promise<void> {
  const client = connect(address);
  const session = client.appendSession();
  const startedMs = performance.now();
  const pending: Promise<unknown>[] = [];
  while (pending.length < appends) {
    const due = Math.min(appends, ((performance.now() - startedMs) * perSecond) / 1_000);
    while (pending.length < due) {
      const [event] = toNewEvents(newEvents(1));
      if (event?.id === undefined) throw new Error('no event was generated');
      onAppend(event.id);
      pending.push(session.append(`${streams}.${pending.length % streamCount}`, [event]));
    }
    await sleep(1);
  }
  await Promise.all(pending);
  await session.close();
  client.close();
}

function fail(error: unknown): void {
  tell({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

function tell(message: GroupMessage): void {
  process.send?.(message);
}

/** Resolves with what stops it. */
async function begin(address: string, natsUrl: string, task: GroupTask): Promise<Stop> {
  const sentMs = new Map<string, number>();
  const histogram = newHistogram();
  let [received, firstMs, reported] = [0, 0, 0];
  const receive = (id: string): void => {
    if (received++ === 0) firstMs = Date.now();
    const sent = sentMs.get(id);
    if (sent === undefined) return;
    sentMs.delete(id);
    histogram.recordValue(Math.max(1, Math.round((performance.now() - sent) * 1_000)));
  };
  const timer = setInterval(() => {
    if (reported === received) return;
    reported = received;
    tell({ received, firstMs, lastMs: Date.now() });
  }, reportMs);
  const join = async (): Promise<Stop> =>
    task.kind === 'group' ? joinGroup(address, task, receive) : pull(natsUrl, task, receive);
  const stops = await Promise.all(Array.from({ length: task.workers }, join));
  if (task.delivery !== undefined) void measureDelivery(task.delivery).catch(fail);
  return async () => {
    clearInterval(timer);
    await Promise.all(stops.map((stop) => stop()));
  };

  async function measureDelivery(delivery: NonNullable<GroupTask['delivery']>): Promise<void> {
    // Members get their lanes first.
    await sleep(2_000);
    await appendAtRate(address, delivery, (id) => sentMs.set(id, performance.now()));
    const giveUpMs = performance.now() + deliveryTimeoutMs;
    while (sentMs.size > 0) {
      if (performance.now() > giveUpMs) throw new Error(`${sentMs.size} events were not delivered`);
      await sleep(5);
    }
    // No report may follow the last one.
    clearInterval(timer);
    tell({ received, firstMs, lastMs: Date.now(), histogram: encodeIntoCompressedBase64(histogram) });
  }
}

/** A load process: group-loads.ts starts it with the addresses of the gateway and of NATS, and sends it tasks. */
function main(address: string, natsUrl: string): void {
  let begun: Promise<Stop> | undefined;
  const end = async (): Promise<void> => {
    // Another process may have had all events before this one had begun.
    const stop = await begun;
    await stop?.();
    tell('stopped');
  };
  process.on('message', (task: GroupTask | 'stop') => {
    if (task === 'stop') end().catch(fail);
    else (begun = begin(address, natsUrl, task)).catch(fail);
  });
  process.on('disconnect', () => process.exit());
  tell('ready');
}

if (require.main === module) main(process.argv[2] ?? '', process.argv[3] ?? '');
