import { setTimeout as sleep } from 'node:timers/promises';
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { AckPolicy, connect as connectNats, DeliverPolicy, type JetStreamManager } from 'nats';
import { connect, type SluiceClient } from '../src/client/client';
import { pulledStream, type GroupSide, type GroupTask } from './group-load';
import { startGroupLoads, type GroupLoads } from './group-loads';
import { cpuSecondsOf } from './peer-servers';
import { prefill, type PlannedCommit } from './prefill';
import { roundsOf } from './rounds';
import { inWords, type Run } from './run';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';
import { median } from './statistics';
import { renderRows } from './table';

const title = 'consumer groups';
const memberCounts = [1, 4, 16];
const inFlight = 256;
const streamCount = 1_000;
const perSecond = 1_000;
const deliveryWorkers = 4;
const idleGroupsFull = 1_000;
const idleGroupsQuick = 10;
const idleMs = 10_000;
const workersMany = 2;

/** What the rows share. */
interface Setting {
  readonly run: Run;
  /** The gateway with one process, and its load. */
  readonly one: Served;
  /** The gateway with workers. */
  readonly many: Served;
  readonly natsPid: number;
  readonly client: SluiceClient;
  readonly manager: JetStreamManager;
  /** Of the log. */
  readonly events: number;
}

interface Served {
  readonly gateway: BenchGateway;
  readonly loads: GroupLoads;
}

/** What a row compares. */
interface Side {
  readonly kind: GroupSide;
  readonly served: Served;
}

interface Rate {
  readonly perSecond: number;
  /** Of the gateway, of nats-server, and of the members or workers, for an event, in microseconds. */
  readonly gatewayUs: number;
  readonly natsUs: number;
  readonly loadUs: number;
}

/** Consumer groups beside a durable pull consumer of JetStream, as a part of RESULTS.md. `facts`: how it was measured. */
export async function consumerGroups(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress } = run;
  if (!settings.only.test(title)) return undefined;
  progress(`${title}: starting servers and filling the store`);
  const events = 20 * settings.sizes.readEvents;
  await using nats = await startBenchNats('interval');
  await using gateway = await startBenchGateway({ name: title, nats, peaks });
  await prefill(nats.url, storedBefore(events));
  await gateway.caughtUp();
  await using loads = await startGroupLoads(settings.clients, gateway.address, nats.url);
  const args = [`--workers=${workersMany}`];
  const name = `${title}, ${workersMany} workers`;
  await using workers = await startBenchGateway({ name, nats, peaks, args });
  await workers.caughtUp();
  await using theirLoads = await startGroupLoads(settings.clients, workers.address, nats.url);
  const connection = await connectNats({ servers: nats.url, noAsyncTraces: true });
  const manager = await connection.jetstreamManager();
  const client = connect(gateway.address);
  const natsPid = nats.pid as number;
  const [one, many] = [
    { gateway, loads },
    { gateway: workers, loads: theirLoads },
  ];
  const setting: Setting = { run, one, many, natsPid, client, manager, events };
  try {
    const parts = [await rates(setting), await deliveries(setting), await idle(setting)];
    return [`# ${title[0]?.toUpperCase() ?? ''}${title.slice(1)}`, facts, about(run, events), ...parts].join(
      '\n\n',
    );
  } finally {
    client.close();
    await connection.close();
  }
}

function about({ settings }: Run, events: number): string {
  return (
    `Durability: ${durability.interval}. The log has ${inWords(events)} commits of 1 event in ${inWords(streamCount)} streams. ` +
    'Group: members of a group by the TypeScript client, each with its own channel. Pull: as many workers of one durable pull ' +
    'consumer of JetStream on the same log, with explicit acknowledgement, by the `nats` package, each with its own connection; ' +
    `they decode the events too. Either may have ${inFlight} deliveries at a time for each worker (max_ack_pending: their sum). ` +
    `The workers are in up to ${settings.clients} load processes; the load, the gateway and nats-server share the processors of ` +
    'this machine. A pull consumer keeps no order of a stream across workers; a group does. The bound of a group is the one thread ' +
    `of its gateway, through which all events go, while workers of a pull consumer share the threads of nats-server; beside it is a ` +
    `gateway with ${workersMany} workers. Where the time of that thread goes, with 4 members (profile of 2026-11-30): a quarter is native ` +
    'code of HTTP/2, sockets and files, a tenth JavaScript of Node.js, a third are lanes, units and members, 8 % encodes deliveries, 5 % reads ' +
    'the log, and 15 % collects garbage. Until a gateway has delivered some 200,000 events, Node.js compiles its code, and it delivers 0.8 to ' +
    '0.9 of a pull consumer. Rates are from the first delivery to the last one. CPU: of the gateway with its workers, of ' +
    'nats-server and of the load for each event, in microseconds. Figures are medians.'
  );
}

function* storedBefore(events: number): Generator<PlannedCommit> {
  for (let i = 0; i < events; i++) yield { stream: `work.${i % streamCount}`, events: 1 };
}

async function rates(setting: Setting): Promise<string> {
  const { one, many } = setting;
  const head = ['members', 'side', 'events/s', 'beside pull', 'gateway CPU', '+ NATS', '+ load', '= all'];
  const rows: string[][] = [];
  for (const workers of memberCounts) {
    const labels = ['group', ...(workers > 1 ? [`group, ${workersMany} workers`] : []), 'pull'];
    const sides: Side[] = labels.map((label) => ({
      kind: label === 'pull' ? 'pull' : 'group',
      served: label.includes(',') ? many : one,
    }));
    const measured = await interleaved(setting, `members: ${workers}`, sides, (side) =>
      rateOf(setting, side, workers),
    );
    const pull = measured.at(-1) ?? [];
    for (const [index, all] of measured.entries()) {
      const of = (figure: (rate: Rate) => number): number => median(all.map(figure));
      const ratios = all.map(({ perSecond: rate }, round) => rate / (pull[round]?.perSecond ?? NaN));
      const cpu = [
        of(({ gatewayUs }) => gatewayUs),
        of(({ natsUs }) => natsUs),
        of(({ loadUs }) => loadUs),
        of(({ gatewayUs, natsUs, loadUs }) => gatewayUs + natsUs + loadUs),
      ];
      rows.push([
        workers.toString(),
        labels[index] ?? '',
        whole(of(({ perSecond: rate }) => rate)),
        all === pull ? '' : withRange(ratios),
        ...cpu.map((us) => us.toFixed(1)),
      ]);
    }
  }
  return renderRows([head, ...rows]);
}

async function rateOf(setting: Setting, { kind, served }: Side, workers: number): Promise<Rate> {
  const { events, natsPid } = setting;
  const { gateway, loads } = served;
  const cpuNow = (): number[] => [
    gateway.familyCpuMs(),
    1_000 * cpuSecondsOf(natsPid),
    1_000 * loads.cpuSeconds(),
  ];
  const task = { kind, name: 'rate', workers, inFlight };
  const before = cpuNow();
  const reports = await withConsumer(setting, task, { patterns: 'work.>', isNew: false }, () =>
    loads.run(task, events),
  );
  const received = reports.reduce((sum, report) => sum + report.received, 0);
  const elapsedMs =
    Math.max(...reports.map(({ lastMs }) => lastMs)) - Math.min(...reports.map(({ firstMs }) => firstMs));
  const [gatewayUs = NaN, natsUs = NaN, loadUs = NaN] = cpuNow().map(
    (ms, index) => (1_000 * (ms - (before[index] ?? NaN))) / received,
  );
  return { perSecond: (1_000 * received) / elapsedMs, gatewayUs, natsUs, loadUs };
}

interface Delay {
  readonly medianMs: number;
  readonly p99Ms: number;
}

async function deliveries(setting: Setting): Promise<string> {
  const appends = Math.max(100, setting.run.settings.sizes.readEvents);
  const sides: Side[] = [
    { kind: 'group', served: setting.one },
    { kind: 'pull', served: setting.one },
  ];
  const what = `delivery at ${inWords(perSecond)}/s`;
  const measured = await interleaved(setting, what, sides, async ({ kind, served }) => {
    const delivery = { perSecond, appends, streams: 'tick' };
    const task = { kind, name: 'tick', workers: deliveryWorkers, inFlight, delivery };
    const [report] = await withConsumer(setting, task, { patterns: 'tick.>', isNew: true }, () =>
      served.loads.run(task, appends),
    );
    const histogram = decodeFromCompressedBase64(report?.histogram ?? '');
    const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000;
    return { medianMs: at(50), p99Ms: at(99) };
  });
  const cells = measured.flatMap((all: readonly Delay[]) => [
    median(all.map(({ medianMs }) => medianMs)).toFixed(1),
    median(all.map(({ p99Ms }) => p99Ms)).toFixed(1),
  ]);
  const about =
    `Delivery at ${inWords(perSecond)} events/s with ${deliveryWorkers} members, in milliseconds from the call of the append, in a ` +
    'session through the gateway, to the receipt by the member or worker, which are in the process that appends.';
  const head = ['what', 'group p50', 'group p99', 'pull p50', 'pull p99'];
  return [about, renderRows([head, [`${inWords(perSecond)} events/s`, ...cells]])].join('\n\n');
}

/** The figures of each side in each round that counts. */
async function interleaved<Figures>(
  { run }: Setting,
  what: string,
  sides: readonly Side[],
  measure: (side: Side) => Promise<Figures>,
): Promise<Figures[][]> {
  const figures = sides.map((): Figures[] => []);
  const order = [...sides.keys()];
  for (const { index, counts } of roundsOf(run.settings)) {
    run.progress(`${title}: ${what}, round ${index}`);
    for (const side of index % 2 === 0 ? order : order.toReversed()) {
      run.signal.throwIfAborted();
      const found = await measure(sides[side] as Side);
      if (counts) figures[side]?.push(found);
    }
  }
  return figures;
}

/** Makes the group or the consumer for one slot. */
async function withConsumer<Result>(
  { client, manager }: Setting,
  { kind, name, workers }: GroupTask,
  { patterns, isNew }: { readonly patterns: string; readonly isNew: boolean },
  use: () => Promise<Result>,
): Promise<Result> {
  if (kind === 'group')
    await client.groups.create(name, {
      settings: { patterns: [patterns] },
      start: isNew ? 'end' : 'beginning',
    });
  else
    await manager.consumers.add(pulledStream, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: isNew ? DeliverPolicy.New : DeliverPolicy.All,
      filter_subject: `es.${patterns}`,
      max_ack_pending: workers * inFlight,
    });
  try {
    return await use();
  } finally {
    if (kind === 'group') await client.groups.delete(name, { force: true });
    else await manager.consumers.delete(pulledStream, name);
  }
}

/** What groups without members cost, once: processor time beside none, and what the server keeps. */
async function idle(setting: Setting): Promise<string> {
  const { run, client } = setting;
  const idleGroups = run.settings.quick ? idleGroupsQuick : idleGroupsFull;
  run.progress(`${title}: ${inWords(idleGroups)} idle groups`);
  const none = await idleCost(setting);
  for (let i = 0; i < idleGroups; i++) await client.groups.create(`idle-${i}`, { start: 'end' });
  const all = await idleCost(setting);
  const what =
    `Idle: ${inWords(idleGroups)} groups without members beside none. CPU: of ${idleMs / 1_000} s, in milliseconds. Consumers, ` +
    'messages and bytes: of the streams at nats-server, in which the log has the same part in both rows.';
  const head = ['groups', 'gateway CPU', 'NATS CPU', 'consumers', 'messages', 'bytes', 'gateway MiB'];
  return [what, renderRows([head, ['0', ...none], [inWords(idleGroups), ...all]])].join('\n\n');
}

async function idleCost({ one: { gateway }, natsPid, manager, run }: Setting): Promise<string[]> {
  // What the calls before this have left to do.
  await sleep(2_000);
  run.signal.throwIfAborted();
  const [gatewayMs, natsSeconds] = [gateway.cpuMs(), cpuSecondsOf(natsPid)];
  await sleep(idleMs);
  const cpu = [gateway.cpuMs() - gatewayMs, 1_000 * (cpuSecondsOf(natsPid) - natsSeconds)];
  let [consumers, messages, bytes] = [0, 0, 0];
  for await (const { state } of manager.streams.list()) {
    consumers += state.consumer_count;
    messages += state.messages;
    bytes += state.bytes;
  }
  return [...cpu, consumers, messages, bytes, gateway.residentBytes() / (1 << 20)].map(whole);
}

/** The median, and the lowest and the highest value. */
function withRange(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2));
  return `${median(values).toFixed(2)} (${low ?? ''}-${high ?? ''})`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
