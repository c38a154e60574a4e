import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, OverloadedError, type SluiceClient } from '../../src/client/client';
import { startGatewayProcess, type GatewayProcess } from './gateway';
import { greeds, longStream, type Tally } from './greedy-calls';
import { startNats } from './nats-server';
import { residentBytes } from './resident-memory';

/** Bounds on slots that are cheaper to exceed than the defaults; all other limits have their defaults. */
const flags = ['--subscriptions-max=4000', '--calls-max=5200', '--connections-max=1000'];
const sockets = 1_200;
const settleMs = 3_000;
const turnPauseMs = 20;
/** More than one round may take beside greedy callers, on a machine with two processors that they share. */
const turnMsMax = 10_000;
/** Memory that the process never returns to the system is taken only once. */
const residentGrowthMax = 100 << 20;

/** The results of one kind of greedy callers, and of a modest caller beside them. */
export interface Greeted {
  readonly kind: string;
  readonly tally: Tally;
  readonly turns: number;
  readonly medianMs: number;
  readonly slowestMs: number;
  /** How often the modest caller was refused after all attempts of its client. */
  readonly refused: number;
  readonly failures: readonly string[];
  readonly peakBytes: number;
  readonly afterBytes: number;
}

/**
 * Lets callers exceed each bound, one kind after the other and then all at once, while a modest caller on another connection
 * appends and reads. Resolves with the faults, in words.
 */
export async function greedySoak(
  seconds: number,
  only: string,
  say: (line: string) => void,
): Promise<string[]> {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url], flags);
  await prepare(gateway);
  const resident = (): number => residentBytes(gateway.process.pid);
  say(`at first: ${inMegabytes(resident())} MB`);
  const faults: string[] = [];
  const kinds = [...Object.keys(greeds), sockets.toString()].filter((kind) => kind.includes(only));
  const each = kinds.map((kind) => [kind]);
  const meetAll = async (rounds: readonly string[][]): Promise<void> => {
    for (const round of rounds) {
      const greeted = await meet(gateway, round, seconds * 1_000);
      say(describe(greeted));
      faults.push(...faultsOf(round, greeted));
    }
  };
  await meetAll([...each, ...(kinds.length > 1 ? [kinds] : [])]);
  const onceBytes = resident();
  // The second run shows whether the first one has released its slots.
  await meetAll(each);
  const grownBytes = resident() - onceBytes;
  if (grownBytes > residentGrowthMax)
    faults.push(`${inMegabytes(grownBytes)} MB more than after the first time`);
  for (const log of [gateway.process.stderr(), readFileSync(join(nats.dataDir, 'nats.log'), 'utf8')])
    say(
      log
        .split('\n')
        .filter((line) => /warn|error|slow|\[(WRN|ERR|INF)\]/i.test(line))
        .slice(-20)
        .join('\n'),
    );
  return faults;
}

async function prepare({ client }: GatewayProcess): Promise<void> {
  const payload = { $case: 'text' as const, value: 'x'.repeat(500) };
  for (let i = 0; i < 40; i++) {
    const events = Array.from({ length: 200 }, (_, n) => ({
      type: 'Long',
      payload,
      correlationId: `greedy-${n}`,
    }));
    await client.append({ stream: longStream, events });
  }
}

async function meet(gateway: GatewayProcess, kinds: readonly string[], forMs: number): Promise<Greeted> {
  const { address, process } = gateway;
  const stop = new AbortController();
  let peakBytes = 0;
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytes(process.pid))), 500);
  const modest = beModest(address, kinds.join(), stop.signal);
  try {
    const each = await Promise.all(kinds.map((kind) => greedyProcess(address, kind, forMs)));
    stop.abort();
    const turns = (await modest).sort((a, b) => a.ms - b.ms);
    await sleep(settleMs);
    return {
      kind: kinds.length === 1 ? (kinds[0] as string) : 'all at once',
      tally: sum(each),
      turns: turns.length,
      medianMs: turns[turns.length >> 1]?.ms ?? Infinity,
      slowestMs: turns.at(-1)?.ms ?? Infinity,
      refused: turns.reduce((total, { refused }) => total + refused, 0),
      failures: turns.flatMap(({ failures }) => failures),
      peakBytes,
      afterBytes: residentBytes(process.pid),
    };
  } finally {
    clearInterval(timer);
    stop.abort();
  }
}

export function greedyProcess(address: string, kind: string, forMs: number): Promise<Tally> {
  const script = join(__dirname, '..', '..', 'scripts', 'run-ts.cjs');
  const file = join(__dirname, '..', 'soak', 'greedy-caller.ts');
  const child = fork(script, [file, address, kind, forMs.toString()]);
  return new Promise((resolve, reject) => {
    child.once('message', (tally) => {
      resolve(tally as Tally);
    });
    child.once('exit', (code) => {
      reject(new Error(`the greedy callers of "${kind}" ended with ${String(code)}`));
    });
  });
}

interface Turn {
  readonly ms: number;
  readonly refused: number;
  /** Its other failures. */
  readonly failures: readonly string[];
}

/** Appends an event and reads it, again and again: one round each. */
async function beModest(address: string, kind: string, signal: AbortSignal): Promise<Turn[]> {
  using sluice = connect(address);
  const stream = `modest.${kind.replace(/\W/g, '-').slice(0, 80)}-${Date.now()}`;
  const turns: Turn[] = [];
  for (let version = 0n; !signal.aborted; version++) {
    const startedMs = performance.now();
    let refused = 0;
    const failures: string[] = [];
    const insist = async (call: () => Promise<void>): Promise<void> => {
      for (;;) {
        try {
          await call();
          return;
        } catch (error) {
          if (!(error instanceof OverloadedError)) {
            failures.push(String(error));
            return;
          }
          refused++;
          await sleep(error.retryDelayMs);
        }
      }
    };
    await insist(() => appendOne(sluice, stream, version));
    await insist(() => findOne(sluice, stream, version + 1n));
    turns.push({ ms: performance.now() - startedMs, refused, failures });
    await sleep(turnPauseMs);
  }
  return turns;
}

async function appendOne(sluice: SluiceClient, stream: string, version: bigint): Promise<void> {
  const { version: stored } = await sluice.append(stream, [{ type: 'Modest' }], { expectedVersion: version });
  if (stored !== version + 1n) throw new Error(`version ${stored}, not ${version + 1n}`);
}

async function findOne(sluice: SluiceClient, stream: string, wanted: bigint): Promise<void> {
  const { version } = await sluice.getVersion(stream);
  let found: bigint | undefined;
  for await (const event of sluice.readStream(stream, { direction: 'backward', maxCount: 1 }))
    found = event.version;
  if (version !== wanted || found !== wanted)
    throw new Error(`${version} and ${String(found)}, not ${wanted}`);
}

function sum(all: readonly Tally[]): Tally {
  const total: Tally = { ok: 0, refusals: {}, others: {}, openMax: 0 };
  for (const { ok, openMax, refusals, others } of all) {
    total.ok += ok;
    total.openMax += openMax;
    for (const [text, count] of Object.entries(refusals))
      total.refusals[text] = (total.refusals[text] ?? 0) + count;
    for (const [text, count] of Object.entries(others))
      total.others[text] = (total.others[text] ?? 0) + count;
  }
  return total;
}

function describe({
  kind,
  tally,
  turns,
  medianMs,
  slowestMs,
  refused,
  peakBytes,
  afterBytes,
}: Greeted): string {
  return [
    `${kind}: ${tally.ok} ok, at most ${tally.openMax} open`,
    ...Object.entries({ ...tally.refusals, ...tally.others }).map(([text, count]) => `  ${count} x ${text}`),
    `  modest: ${turns} turns, median ${medianMs.toFixed(0)} ms, slowest ${slowestMs.toFixed(0)} ms, ${refused} refused`,
    `  memory: ${inMegabytes(peakBytes)} MB at most, ${inMegabytes(afterBytes)} MB after`,
  ].join('\n');
}

function faultsOf(kinds: readonly string[], { kind, tally, turns, slowestMs, failures }: Greeted): string[] {
  const faults: string[] = failures.map((failure) => `${kind}: a modest caller got ${failure}`);
  if (turns === 0 || slowestMs > turnMsMax)
    faults.push(`${kind}: a modest caller waited ${slowestMs.toFixed(0)} ms`);
  const [only = '', ...more] = kinds;
  const refusal = more.length > 0 ? undefined : greeds[only]?.refusal;
  if (refusal !== undefined && !Object.keys(tally.refusals).some((text) => refusal.test(text)))
    faults.push(`${kind}: nobody was refused`);
  return faults;
}

export function inMegabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000);
}
