import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { conditionRows, taggedLog } from './condition-rows';
import { buildGo, startGoLoad, type GoLoad } from './go-clients';
import { messageDBPeer, sluicePeer, umaDBPeer, type Peer } from './peer-servers';
import type { PeerRow, PeerTable } from './peer-table';
import { roundsOf } from './rounds';
import { inWords } from './run';
import type { Slot } from './statistics';

/** A job of bench/go/peers. */
export interface Job {
  readonly kind:
    | 'fill'
    | 'read'
    | 'readAll'
    | 'subscribe'
    | 'correlation'
    | 'version'
    | 'delivery'
    | 'fillTags'
    | 'tags'
    | 'disjoint'
    | 'disjointInSession'
    | 'hot'
    | 'plain';
  readonly prefix?: string;
  readonly count?: number;
  readonly events?: number;
  readonly stride?: number;
  readonly anyReplica?: boolean;
  readonly rate?: number;
  readonly callers?: number;
  readonly callsEach?: number;
  readonly firstCall?: number;
  readonly beside?: number;
  readonly besideKind?: 'plain';
}

export interface PeerSettings {
  readonly rounds: number;
  readonly only: RegExp;
  /** The folder of another build of Sluice to compare with. */
  readonly against: string | undefined;
  /** Events of the log with tags. */
  readonly taggedEvents: number;
  readonly quick: boolean;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

interface Sizes {
  readonly streams: number;
  readonly longEvents: number;
  readonly calls: number;
}

export interface Row extends Pick<PeerRow, 'what' | 'unit'> {
  readonly job: Job;
  /** Measured right after a start, with none of the data in the cache of the system. */
  readonly isCold?: boolean;
  /** Whether it is measured on the log with tags, before the other streams are stored. */
  readonly isTagged?: boolean;
}

const streamEvents = 10;
const short = 'bench-short';
const long = 'bench-long';

function rowsOf({ streams, longEvents, calls }: Sizes): Row[] {
  const all = streams * streamEvents + longEvents;
  const spread = { prefix: short, count: streams, events: streamEvents, stride: 7_919 };
  const many = { callers: 64, callsEach: calls };
  const one = { callers: 1, callsEach: calls * 10 };
  const catchUp: Job = { kind: 'readAll', count: 1, events: all, callers: 1, callsEach: 1 };
  const longRead: Job = {
    kind: 'read',
    prefix: long,
    count: 1,
    events: longEvents,
    callers: 1,
    callsEach: 3,
  };
  const reads = 50;
  return [
    { what: `catch-up of ${inWords(all)} single-event commits`, unit: 'ms', job: catchUp },
    {
      what: `catch-up of ${inWords(all)} single-event commits by a subscription`,
      unit: 'ms',
      job: { ...catchUp, kind: 'subscribe' },
    },
    { what: 'CPU of the servers for each event of a catch-up', unit: 'CPU µs', job: catchUp },
    { what: `read of a stream of ${inWords(longEvents)} single-event commits`, unit: 'ms', job: longRead },
    { what: 'read of a stream of 10, 64 callers', unit: '/s', job: { kind: 'read', ...spread, ...many } },
    { what: 'read of a stream of 10, 1 caller', unit: '/s', job: { kind: 'read', ...spread, ...one } },
    {
      what: 'read of a stream of 10, 1 caller, any replica',
      unit: '/s',
      job: { kind: 'read', anyReplica: true, ...spread, ...one },
    },
    {
      what: 'events of a correlation id, 10, 16 callers',
      unit: '/s',
      job: { kind: 'correlation', ...spread, callers: 16, callsEach: calls * 2 },
    },
    {
      what: 'version of a stream, 64 callers',
      unit: '/s',
      job: { kind: 'version', ...spread, callers: 64, callsEach: calls * 2 },
    },
    {
      what: 'version of a stream that is not there, 64 callers',
      unit: '/s',
      job: { kind: 'version', ...spread, ...many, prefix: 'bench-none', events: 0 },
    },
    {
      what: 'live delivery at 500 appends/s',
      unit: 'p50 ms',
      job: { kind: 'delivery', prefix: 'bench-new', rate: 500, callsEach: calls * 16 },
    },
    {
      what: `${reads} reads of streams of 10 after a restart, nothing cached, all`,
      unit: 'ms',
      job: { kind: 'read', ...spread, callers: 1, callsEach: reads },
      isCold: true,
    },
  ];
}

/** Measures Sluice and its peers alternately, round by round; a peer that cannot be installed is left out. */
export async function measurePeers(settings: PeerSettings): Promise<PeerTable> {
  const root = mkdtempSync(join(tmpdir(), 'sluice-bench-peers-'));
  const peers: Peer[] = [];
  const loads = new Map<Peer, GoLoad>();
  try {
    await using go = await buildGo();
    peers.push(...(await findPeers(settings, root)));
    const sizes = settings.quick
      ? { streams: 100, longEvents: 100, calls: 2 }
      : { streams: 19_000, longEvents: 10_000, calls: 60 };
    const use: Use = { ...settings, sizes, peers, loads, program: join(go.folder, 'peers') };
    const all = [...conditionRows(settings), ...rowsOf(sizes)].filter(({ what }) => settings.only.test(what));
    const [tagged, others] = [
      all.filter(({ isTagged }) => isTagged),
      all.filter(({ isTagged }) => isTagged !== true),
    ];
    for (const peer of peers) await start(use, peer);
    const rows: PeerRow[] = [];
    rows.push(...(await measureTagged(use, tagged)));
    if (others.length > 0) for (const peer of peers) await fill(use, peer);
    for (const row of others) rows.push(await measureRow(use, row));
    return { peers: peers.map(({ label, about }) => ({ label, about })), rows };
  } finally {
    for (const load of loads.values()) await load[Symbol.asyncDispose]();
    for (const peer of peers) await peer.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

interface Use extends PeerSettings {
  readonly sizes: Sizes;
  readonly peers: readonly Peer[];
  readonly loads: Map<Peer, GoLoad>;
  readonly program: string;
}

async function findPeers({ against, progress }: PeerSettings, root: string): Promise<Peer[]> {
  const found = [await sluicePeer('Sluice', join(__dirname, '..'), root)];
  if (against !== undefined) found.push(await sluicePeer('earlier build', against, root));
  const others = { UmaDB: umaDBPeer, 'Message DB': messageDBPeer };
  for (const [name, open] of Object.entries(others)) {
    try {
      found.push(await open(root));
    } catch (error) {
      progress('**************************************************************************');
      progress(`LEFT OUT: ${name}: ${error instanceof Error ? error.message : String(error)}`);
      progress('**************************************************************************');
    }
  }
  return found;
}

async function start({ loads, program }: Use, peer: Peer): Promise<void> {
  await peer.start();
  loads.set(peer, startGoLoad(program, [peer.url]));
}

async function stop({ loads }: Use, peer: Peer): Promise<void> {
  await loads.get(peer)?.[Symbol.asyncDispose]();
  loads.delete(peer);
  await peer.stop();
}

/** The commits of the short streams are interleaved; those of the long one follow. */
async function fill(use: Use, peer: Peer): Promise<void> {
  const { streams, longEvents } = use.sizes;
  for (const [prefix, count, events] of [
    [short, streams, streamEvents],
    [long, 1, longEvents],
  ] as const) {
    const { medianMs } = await run(use, peer, { kind: 'fill', prefix, count, events });
    use.progress(`${peer.label}: ${count * events} commits stored in ${(medianMs / 1_000).toFixed(1)} s`);
  }
}

/** Whether the peer has tags. */
async function fillTags(use: Use, peer: Peer): Promise<boolean> {
  try {
    const { medianMs } = await run(use, peer, taggedLog(use.taggedEvents));
    const seconds = (medianMs / 1_000).toFixed(1);
    use.progress(`${peer.label}: ${use.taggedEvents} commits with tags stored in ${seconds} s`);
    return true;
  } catch (error) {
    if (isNotThere(error)) return false;
    throw error;
  }
}

function isNotThere(error: unknown): boolean {
  return String(error).includes('it has no such call');
}

async function run({ loads, signal }: Use, peer: Peer, job: Job): Promise<Slot> {
  signal.throwIfAborted();
  const load = loads.get(peer);
  if (load === undefined) throw new Error(`${peer.label} does not run`);
  return load.run(job);
}

async function measureTagged(use: Use, tagged: readonly Row[]): Promise<PeerRow[]> {
  if (tagged.length === 0) return [];
  const having: Peer[] = [];
  for (const peer of use.peers) if (await fillTags(use, peer)) having.push(peer);
  const rows: PeerRow[] = [];
  for (const row of tagged) {
    const { figures, ...about } = await measureRow({ ...use, peers: having }, row);
    rows.push({ ...about, figures: use.peers.map((peer) => figures[having.indexOf(peer)]) });
  }
  return rows;
}

/** The first round shows which calls a peer does not have. */
async function measureRow(use: Use, row: Row): Promise<PeerRow> {
  const { peers, progress } = use;
  progress(row.what);
  const figures = new Map<Peer, number[]>(peers.map((peer) => [peer, []]));
  for (const { index, counts } of roundsOf({ ...use, quick: use.quick || row.isCold === true })) {
    for (const [peer, values] of figures) {
      const figure = await measureOnce(use, peer, row, index);
      if (figure === undefined) figures.delete(peer);
      else if (counts) values.push(figure);
    }
  }
  return { what: row.what, unit: row.unit, figures: peers.map((peer) => figures.get(peer)) };
}

async function measureOnce(use: Use, peer: Peer, row: Row, round: number): Promise<number | undefined> {
  if (row.isCold === true) {
    await stop(use, peer);
    await dropFromCache(peer.dataDir);
    await start(use, peer);
  }
  const before = peer.cpuSeconds();
  let slot: Slot;
  const job = { ...row.job, firstCall: round * (row.job.callsEach ?? 1) };
  try {
    slot = await run(use, peer, job);
  } catch (error) {
    if (round === 0 && isNotThere(error)) return undefined;
    throw error;
  }
  switch (row.unit) {
    case '/s':
      return slot.callsPerSecond;
    case 'p50 ms':
      return slot.medianMs;
    case 'ms':
      return row.isCold === true ? (50 / slot.callsPerSecond) * 1_000 : slot.medianMs;
    case 'CPU µs':
      return ((peer.cpuSeconds() - before) / (row.job.events ?? 1)) * 1e6;
  }
}

/** Removes the files of a folder from the cache of the system; no process may have them open. */
async function dropFromCache(folder: string): Promise<void> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const name of names) {
    if (!name.isFile()) continue;
    const path = join(name.parentPath, name.name);
    await promisify(execFile)('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}
