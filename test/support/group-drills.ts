import { setTimeout as sleep } from 'node:timers/promises';
import { prefill, type PlannedCommit } from '../../bench/prefill';
import { connect, ParkEvent, type SluiceClient } from '../../src/client/client';
import type { EventHandler } from '../../src/client/handler';
import type { Environment } from '../acceptance/environment';
import { changeTimes } from './log-blocks';
import { until } from './nats-server';
import { startRestartable } from './restartable-gateway';

/** What a drill is run with. */
export interface DrillOptions {
  /** Commits of one event each, which are in the store before the members join. */
  readonly events: number;
  readonly kind: DrillKind;
  /** How long the pause, the churn and the like last. Default: those of the name. */
  readonly seconds?: number;
}

/**
 * `calm`: members as fast as they can; `slow handlers`: 100 ms for each event, 64 at a time; `slow member`: one of four takes 500 ms;
 * `poison`: one event fails until all others are handled; `churn`: members join and leave all the time; `pause`: the NATS servers
 * stand still; `clock`: the clock of the NATS servers is set back by an hour; `replay`: the first event of each stream is parked, and
 * so what follows it, and then all of them are replayed.
 */
export const drillKinds = [
  ...(['calm', 'slow handlers', 'slow member', 'poison', 'churn', 'pause', 'clock', 'replay'] as const),
] as const;

export type DrillKind = (typeof drillKinds)[number];

/** The most events of the drill `replay`: a group parks no more. */
export const replayedMax = 100_000;

/** What came of it. */
export interface Drilled {
  /** Empty if each event was handled, in order for each stream, and none twice unless it said so. */
  readonly faults: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

const group = 'drill';
const memberCount = 4;
const faultsMax = 20;

/** Takes note of what members handle. */
class Ledger {
  readonly faults: string[] = [];
  readonly handled = new Map<string, number>();
  total = 0;
  again = 0;
  private readonly running = new Set<string>();

  constructor(private readonly mayRepeat: boolean) {}

  begin(stream: string, version: number, redelivered: boolean): void {
    const next = (this.handled.get(stream) ?? 0) + 1;
    if (this.running.has(stream) && !this.mayRepeat)
      this.fault(`${stream} ${version} came while it was with a member`);
    if (version > next) this.fault(`${stream} ${version} came before ${next}`);
    if (version < next && !(redelivered && this.mayRepeat)) this.fault(`${stream} ${version} came again`);
    this.running.add(stream);
  }

  done(stream: string, version: number): void {
    this.running.delete(stream);
    if (version < (this.handled.get(stream) ?? 0) + 1) this.again++;
    else {
      this.handled.set(stream, version);
      this.total++;
    }
  }

  failed(stream: string): void {
    this.running.delete(stream);
  }

  private fault(text: string): void {
    if (this.faults.length < faultsMax) this.faults.push(text);
  }
}

interface Member {
  readonly leave: () => Promise<void>;
}

interface Field {
  readonly environment: Environment;
  readonly options: DrillOptions;
  readonly ledger: Ledger;
  readonly streams: number;
  readonly join: (handlerMs: number, concurrency: number) => Member;
  readonly admin: SluiceClient;
  /** More figures of the drill. */
  readonly counts: Record<string, number>;
  /** What fails: one event, or the first one of each stream, which is parked. */
  failing: 'none' | 'poison' | 'all';
}

/** Has members share events that are in the store, through one gateway, while what the kind says happens. */
export async function groupDrill(environment: Environment, options: DrillOptions): Promise<Drilled> {
  const { events, kind } = options;
  const args = [`--nats-url=${environment.urls.join(',')}`, ...environment.flags];
  const streams = Math.max(8, Math.min(1_000, Math.ceil(events / 20)));
  // The streams take turns.
  await prefill(environment.urls[0] ?? '', commits(events, streams), streams);
  await using gateway = await startRestartable(args);
  const admin = connect(gateway.address);
  const backoff = { backoffMinMs: 50, backoffMaxMs: 500, attemptsMax: 0 };
  const parking = kind === 'replay' ? { parkedMax: replayedMax, parkFollowing: true } : {};
  const settings = { patterns: ['drill.>'], ...backoff, ...parking };
  // The gateway has to read the log first.
  await until(() => admin.groups.create(group, { settings }).then(Boolean, () => false), 600_000);
  const ledger = new Ledger(kind === 'pause' || kind === 'clock');
  const members: Member[] = [];
  const failing = kind === 'poison' ? 'poison' : kind === 'replay' ? 'all' : 'none';
  const more: Record<string, number> = {};
  const field: Field = { environment, options, ledger, streams, admin, counts: more, failing, join };
  const beganMs = performance.now();
  try {
    await drills[kind](field);
    const { total } = ledger;
    const handledMs = performance.now() - beganMs;
    await Promise.all(members.map(({ leave }) => leave()));
    const { lag, parkedCount } = await admin.groups.get(group);
    if (lag > 0n || parkedCount > 0) ledger.faults.push(`lag ${lag.toString()}, parked ${parkedCount}`);
    const rate = Math.round((1_000 * total) / handledMs);
    return {
      faults: ledger.faults,
      counts: {
        events: total,
        again: ledger.again,
        members: members.length,
        ms: Math.round(handledMs),
        rate,
        ...more,
      },
    };
  } finally {
    admin.close();
    await Promise.allSettled(members.map(({ leave }) => leave()));
  }

  function join(handlerMs: number, concurrency: number): Member {
    const client = connect(gateway.address);
    const stop = new AbortController();
    const handler = handlerOf(field, handlerMs);
    const running = client.consume(group, handler, {
      concurrency,
      maxInFlight: 2 * concurrency,
      stop: stop.signal,
    });
    running.catch((error: unknown) => ledger.faults.push(`a member ended: ${String(error)}`));
    const leave = async (): Promise<void> => {
      stop.abort();
      await running.finally(() => {
        client.close();
      });
    };
    members.push({ leave });
    return { leave };
  }
}

function* commits(events: number, streams: number): Generator<PlannedCommit> {
  for (let count = 0; count < events; count++) yield { stream: `drill.${count % streams}`, events: 1 };
}

function handlerOf(field: Field, handlerMs: number): EventHandler {
  const { ledger } = field;
  return async ({ stream, version }, { redelivered }) => {
    const number = Number(version);
    ledger.begin(stream, number, redelivered || (stream === poisoned && number === 2));
    if (handlerMs > 0) await sleep(handlerMs);
    if (field.failing === 'poison' && stream === poisoned && number === 2) {
      ledger.failed(stream);
      throw new Error('poison');
    }
    if (field.failing === 'all') {
      ledger.failed(stream);
      throw new ParkEvent('drill');
    }
    ledger.done(stream, number);
  };
}

const poisoned = 'drill.3';
const fast = 256;

const drills: Readonly<Record<DrillKind, (field: Field) => Promise<void>>> = {
  async calm(field) {
    joinAll(field, 0, fast);
    await untilDone(field);
  },
  async 'slow handlers'(field) {
    joinAll(field, 100, 64);
    await untilDone(field);
  },
  async 'slow member'(field) {
    joinAll(field, 0, fast, memberCount - 1);
    field.join(500, 8);
    await untilDone(field);
  },
  async poison(field) {
    const { options, streams, ledger } = field;
    joinAll(field, 0, fast);
    const perStream = Math.ceil((options.events - 3) / streams);
    await untilDone(field, options.events - perStream + 1);
    field.failing = 'none';
    await untilDone(field);
    if (ledger.handled.get(poisoned) !== perStream)
      ledger.faults.push('the events after the poison are missing');
  },
  async churn(field) {
    const { seconds = 60 } = field.options;
    const endMs = performance.now() + 1_000 * seconds;
    const present = Array.from({ length: memberCount }, () => field.join(5, 4));
    while (performance.now() < endMs) {
      present.push(field.join(5, 4));
      await sleep(500);
      await present.shift()?.leave();
    }
    await untilDone(field);
  },
  async pause(field) {
    const { environment, options, ledger } = field;
    joinAll(field, 20, 16);
    await until(() => ledger.total > options.events / 10, 120_000);
    for (const node of environment.nodes) node.pause();
    await sleep(1_000 * (options.seconds ?? 30));
    for (const node of environment.nodes) node.resume();
    await untilDone(field);
  },
  async clock(field) {
    const { environment, options, ledger } = field;
    joinAll(field, 20, 16);
    await until(() => ledger.total > options.events / 10, 120_000);
    await Promise.all(environment.nodes.map((node) => node.stop()));
    const nextHour = BigInt(Date.now() + 3_600_000) * 1_000_000n;
    for (const { dataDir } of environment.nodes)
      for (const stream of ['EVENTS', 'EVENTS_STATE'])
        changeTimes(dataDir, stream, (sequence) => nextHour + (sequence % 1_000n));
    await Promise.all(environment.nodes.map((node) => node.start()));
    await untilDone(field);
  },
  async replay(field) {
    const { options, admin, ledger, counts } = field;
    joinAll(field, 0, fast);
    const beganMs = performance.now();
    await untilParked(field, options.events);
    counts['parkedMs'] = Math.round(performance.now() - beganMs);
    field.failing = 'none';
    const asked = await admin.groups.replayParked(group, { deadlineMs: 120_000 });
    counts['askedMs'] = Math.round(performance.now() - beganMs) - (counts['parkedMs'] ?? 0);
    if (asked !== options.events) ledger.faults.push(`${asked} events were to be replayed`);
    await untilDone(field);
    await untilParked(field, 0);
  },
};

/** Waits until this number of events is parked, as long as it changes. To count them takes a while. */
async function untilParked({ admin }: Field, count: number): Promise<void> {
  let [before, movedMs] = [-1, performance.now()];
  for (;;) {
    const { parkedCount } = await admin.groups.get(group);
    if (parkedCount === count) return;
    if (parkedCount !== before) [before, movedMs] = [parkedCount, performance.now()];
    if (performance.now() - movedMs > 60_000)
      throw new Error(`${parkedCount} events are parked, not ${count}`);
    await sleep(1_000);
  }
}

function joinAll({ join }: Field, handlerMs: number, concurrency: number, count = memberCount): void {
  for (let joined = 0; joined < count; joined++) join(handlerMs, concurrency);
}

/** Waits as long as something is handled from time to time. */
async function untilDone({ ledger, options }: Field, total = options.events): Promise<void> {
  let [before, movedMs] = [ledger.total, performance.now()];
  while (ledger.total < total) {
    await sleep(20);
    if (ledger.total !== before) [before, movedMs] = [ledger.total, performance.now()];
    if (performance.now() - movedMs < 120_000) continue;
    ledger.faults.push(`only ${ledger.total} of ${total} events were handled, and no more`);
    return;
  }
}
