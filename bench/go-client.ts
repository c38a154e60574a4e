import { hasGo, startGoClients, type GoClients } from './go-clients';
import { streamName, type Operation, type PeerName } from './job';
import { prefill, type PlannedCommit } from './prefill';
import { estimate, ratioOf, renderEstimate, type Pair } from './ratio';
import { calls, inWords, plural, type Run } from './run';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';
import type { Sizes } from './settings';
import { renderRows } from './table';

const title = 'the Go client and its stubs';
const eventsPerCommit = 100;
const category = 'followed';
/** Pieces of each row in a round. */
const piecesEach = 4;

/** The stubs come twice: how much they differ from themselves is what the method does not resolve. */
const sides = ['client', 'stubs', 'stubs again', 'stubs with a deadline'] as const;

type Side = (typeof sides)[number];

const peers: Readonly<Record<Side, PeerName>> = {
  client: 'goClient',
  stubs: 'generatedV7',
  'stubs again': 'generatedV7',
  'stubs with a deadline': 'generatedV7Deadline',
};

interface Row {
  readonly what: string;
  readonly callers: number;
  /** Of each caller in one piece. */
  readonly callsEach: number;
  /** The client gives appends a deadline, and streams of responses none. */
  readonly sides: readonly Side[];
  readonly operation: (side: Side) => Operation;
}

/** What one call cost in a piece, in microseconds. */
interface Cost {
  /** CPU time of the load process, */
  readonly load: number;
  /** and of the gateway. */
  readonly gateway: number;
  /** For each call of all callers together, by the clock. */
  readonly time: number;
}

type Piece = Readonly<Record<Side, Cost>>;

interface Measured {
  readonly row: Row;
  readonly pieces: readonly Piece[];
}

/**
 * What the Go client costs beside the stubs that it is made of, as a part of RESULTS.md. Only where Go is installed. `facts`: how it was
 * measured.
 */
export async function goClientCost(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress } = run;
  const chosen = rows(settings.sizes).filter(({ what, callers }) =>
    settings.only.test(`${title}: ${what}, ${callers}`),
  );
  if (chosen.length === 0 || !(await hasGo(title, progress))) return undefined;
  progress(`${title}: starting servers and filling the store`);
  await using nats = await startBenchNats('interval');
  await using gateway = await startBenchGateway({ name: title, nats, peaks });
  await prefill(nats.url, storedBefore(settings.sizes));
  await gateway.caughtUp();
  await using clients = await startGoClients(settings.clients, gateway.address);
  const measured: Measured[] = [];
  for (const row of chosen) {
    progress(`${title}: ${row.what}, callers: ${row.callers}`);
    measured.push({ row, pieces: await measure(run, row, { clients, gateway }) });
  }
  return [`# What ${title} cost`, facts, render(measured)].join('\n\n');
}

/** Enough events to make the start of a call negligible. */
function storedEvents({ readEvents }: Sizes): number {
  return 5 * readEvents;
}

function* storedBefore(sizes: Sizes): Generator<PlannedCommit> {
  for (let i = 0; i < storedEvents(sizes); i += eventsPerCommit)
    yield { stream: streamName(category, 0, 0), events: eventsPerCommit };
}

function rows(sizes: Sizes): Row[] {
  const events = storedEvents(sizes);
  const catchUp: Operation = { kind: 'catchUp', pattern: `${category}.*`, events };
  const read: Operation = { kind: 'read', streams: { prefix: category, count: 1 }, range: 'all', events };
  const pages = { callers: 1, callsEach: calls(3, sizes), sides: sides.slice(0, 3) };
  return [
    appendRow(1, calls(150, sizes)),
    appendRow(sizes.manyCallers, calls(30, sizes)),
    { what: `catch-up of ${plural(events, 'event')}`, ...pages, operation: () => catchUp },
    { what: `ReadStream of ${plural(events, 'event')}`, ...pages, operation: () => read },
  ];
}

/** Each side has its own streams. */
function appendRow(callers: number, callsEach: number): Row {
  return {
    what: 'append of 1 event',
    callers,
    callsEach,
    sides,
    operation: (side) => ({
      kind: 'append',
      streams: `${side.replaceAll(' ', '-')}-${callers}`,
      events: 1,
      callsPerStream: Number.MAX_SAFE_INTEGER,
      version: 0,
    }),
  };
}

interface Servers {
  readonly clients: GoClients;
  readonly gateway: BenchGateway;
}

/** The sides take turns in small pieces, so that what else the machine does meets all. Pieces to warm up come first. */
async function measure({ settings, signal }: Run, row: Row, servers: Servers): Promise<Piece[]> {
  const pieces: Piece[] = [];
  const warmUp = calls(piecesEach, settings.sizes);
  for (let piece = 0; piece < warmUp * (1 + settings.rounds); piece++) {
    const costs = new Map<Side, Cost>();
    const first = piece % row.sides.length;
    for (const side of [...row.sides.slice(first), ...row.sides.slice(0, first)]) {
      signal.throwIfAborted();
      costs.set(side, await costOf(row, side, piece * row.callsEach, servers));
    }
    if (piece >= warmUp) pieces.push(Object.fromEntries(costs) as Piece);
  }
  return pieces;
}

async function costOf(
  { callers, callsEach, operation }: Row,
  side: Side,
  firstCall: number,
  { clients, gateway }: Servers,
): Promise<Cost> {
  const peer = peers[side];
  await gateway.caughtUp();
  const beganMs = gateway.cpuMs();
  const slot = await clients.run({ peer, callers, callsEach, firstCall, operation: operation(side) });
  await gateway.caughtUp();
  const count = callers * callsEach;
  return {
    load: (slot.cpuMs * 1_000) / count,
    gateway: ((gateway.cpuMs() - beganMs) * 1_000) / count,
    time: 1e6 / slot.callsPerSecond,
  };
}

const figures = {
  load: ({ load }: Cost) => load,
  both: ({ load, gateway }: Cost) => load + gateway,
  time: ({ time }: Cost) => time,
};

function render(measured: readonly Measured[]): string {
  const about =
    `Durability: ${durability.interval}. Client: that of clients/go, which makes commit ids, sends appends again, checks the ends of ` +
    'reads and asks for heartbeats. Stubs: grpc-go alone, with a commit id of the same kind, and for appends also with the deadline of 15 s ' +
    'that the client sets. All are called by one process (bench/go), and call the same gateway. The first two figures are microseconds of ' +
    'CPU time of that process for one call. In the ratios, CPU is that of this process, all CPU has that of the gateway too, and time is by ' +
    'the clock. The stubs beside the stubs are 1, if the method were exact. In brackets: the interval with 95 % confidence.';
  const lines = measured.flatMap(({ row, pieces }) => {
    const line = (one: Side, other: Side): string[] => {
      const ratios = Object.values(figures).map((of) => {
        const pairs = pieces.map((piece): Pair => [of(piece[one]), of(piece[other])]);
        return renderEstimate(estimate([pairs], ([drawn = []]) => ratioOf(drawn)));
      });
      const means = [one, other].map((side) =>
        inWords(Math.round(pieces.reduce((sum, piece) => sum + piece[side].load, 0) / pieces.length)),
      );
      return [`${row.what}: ${one} / ${other}`, row.callers.toString(), ...means, ...ratios];
    };
    return [...row.sides.slice(1).map((side) => line('client', side)), line('stubs', 'stubs again')];
  });
  const header = ['what', 'callers', 'one', 'other', 'CPU', 'all CPU', 'time'];
  return [about, renderRows([header, ...lines])].join('\n\n');
}
