import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { EventStoreServiceService, ReadStreamResponse } from '../generated/sluice/v1/event_store_service';
import { until } from '../test/support/nats-server';
import { connectRpc, type RpcClient } from '../test/support/rpc-client';
import { startTcpRelay } from '../test/support/tcp-relay';
import { plainSettings } from './case-file';
import { outcomeOf, programName, teller } from './check';
import { startEnvironment, type Environment } from './environment';
import type { Column } from './results';

/** The programs of docs/clients.md under faults: what they promise must hold where a connection or a gateway goes away. */

type Say = (line: string) => void;
type Command = readonly string[];

/** For a connection that is lost, a gateway that starts, and a silence of 15 seconds, on a busy machine. */
const comesBackMs = 60_000;
/** For events that come twice, and for programs to keep their position. */
const settleMs = 500;

/** Tries the programs of all columns that have one, at the same time, on one gateway. */
export async function tryPrograms(columns: readonly Column[], say: Say): Promise<void> {
  const tried = columns.flatMap((column) =>
    column.command === undefined ? [] : [{ column, command: column.command }],
  );
  if (tried.length === 0) return;
  const tell = (column: Column, what: string, why: string | undefined): void => {
    teller(column, say)(`${programName}, ${what}`, why);
  };
  await using environment = await startEnvironment(plainSettings);
  using client = connectRpc(environment.address);
  for (const { column, command } of tried) {
    const why = [
      await outcomeOf(loseAnAnswer(column.name, command, client)),
      await outcomeOf(loseAnEnd(command)),
    ];
    tell(column, 'append: the answer is lost', why[0]?.why);
    tell(column, 'read: the end is missing', why[1]?.why);
  }
  const failed = await followThroughFaults(
    tried.map(({ command }) => command),
    environment,
    client,
  );
  for (const [i, { column }] of tried.entries())
    tell(column, 'follow: restarts and a silent connection', failed[i]);
}

/** The gateway stores an append, and its answer is lost with the connection: another attempt must have the same commit id. */
async function loseAnAnswer(name: string, command: Command, client: RpcClient): Promise<void> {
  await using relay = await startTcpRelay(portOf(client.address));
  relay.loseAnswersTo('OrderPlaced');
  const stream = `lost.${name}`;
  using program = start(command, [relay.address, 'append', stream, '30']);
  const version = async (): Promise<bigint> => (await client.getVersion({ stream })).version;
  await until(async () => program.code() !== undefined || (await version()) > 0n, comesBackMs);
  if (!relay.isLosing) throw new Error(`no answer was lost: ${program.said()}`);
  relay.heal();
  await until(() => program.code() !== undefined, comesBackMs);
  const printed = program.lines().join('\n');
  if (printed !== 'appended: version 1')
    throw new Error(`it printed ${JSON.stringify(printed)}: ${program.said()}`);
  if ((await version()) !== 1n) throw new Error(`it stored ${String(await version())} events`);
}

/** A read ends with OK, but without `end`: the program must show the events that came, and fail. */
async function loseAnEnd(command: Command): Promise<void> {
  const server = new Server();
  server.addService(EventStoreServiceService, {
    readStream(call: { write(message: ReadStreamResponse): void; end(): void }) {
      const payload = { $case: 'text' as const, value: '{"total":30}' };
      const event = { stream: 'order.1', version: 1n, type: 'OrderPlaced', payload };
      call.write(
        ReadStreamResponse.fromPartial({ events: [event], header: { stream: 'order.1', version: 2n } }),
      );
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  try {
    using program = start(command, [`127.0.0.1:${port.toString()}`, 'read', 'order.1']);
    await until(() => program.code() !== undefined, comesBackMs);
    if (program.lines().join('\n') !== 'order.1 1 OrderPlaced 30')
      throw new Error(`it printed ${JSON.stringify(program.lines())}: ${program.said()}`);
    if (program.code() === 0) throw new Error('it did not fail');
  } finally {
    server.forceShutdown();
  }
}

/** What the programs of `follow` must print, and the means to bring it about. */
interface Scene {
  readonly client: RpcClient;
  readonly expected: string[];
}

/** Appends a commit of `count` events, as text and as binary; padding makes it too large for one message. */
async function append({ client, expected }: Scene, count: number, padding = ''): Promise<void> {
  const stream = `order.${(expected.length + 1).toString()}`;
  const events = Array.from({ length: count }, (_, i) => {
    const total = expected.length + 1;
    expected.push(`${stream} ${(i + 1).toString()} OrderPlaced ${total.toString()}`);
    const text = JSON.stringify({ total, padding });
    const payload =
      i % 2 === 0
        ? { $case: 'text' as const, value: text }
        : { $case: 'binary' as const, value: Buffer.from(text) };
    return { type: 'OrderPlaced', payload };
  });
  await client.append({ stream, events });
}

/** A program that follows, over all its runs. */
interface Follower extends Disposable {
  /** The lines that it has printed. */
  lines(): readonly string[];
  /** The end of what it has written to stderr. */
  said(): string;
  /** Kills the program, and starts it again with the position that it has kept. */
  restart(): void;
  /** Why it failed; undefined if it did not. */
  why: string | undefined;
}

function follow(command: Command, address: string): Follower {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-follow-'));
  const printed: string[] = [];
  let program = start(command, [address, 'follow'], folder);
  return {
    why: undefined,
    lines: () => [...printed, ...program.lines()],
    said: () => program.said(),
    restart() {
      program[Symbol.dispose]();
      printed.push(...program.lines());
      program = start(command, [address, 'follow'], folder);
    },
    [Symbol.dispose]() {
      program[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Starts all programs behind one relay, and lets them meet each fault at the same time. Gives why each of them failed;
 * undefined for those that printed every event once and in order after every fault.
 */
async function followThroughFaults(
  commands: readonly Command[],
  environment: Environment,
  client: RpcClient,
): Promise<(string | undefined)[]> {
  await using relay = await startTcpRelay(portOf(environment.address));
  const scene: Scene = { client, expected: [] };
  await append(scene, 1);
  const all = commands.map((command) => follow(command, relay.address));
  const faults: readonly [string, () => Promise<void> | void][] = [
    ['the start', () => undefined],
    ['a stop of the gateway', () => environment.restartGateway('SIGTERM')],
    ['a kill of the gateway', () => environment.restartGateway('SIGKILL')],
    [
      'a silent connection',
      () => {
        relay.silence();
      },
    ],
    [
      'a kill of the program',
      () => {
        for (const one of all) one.restart();
      },
    ],
  ];
  try {
    for (const [what, fault] of faults) {
      await fault();
      await append(scene, 1);
      await append(scene, 2);
      await append(scene, 3, 'x'.repeat(900_000));
      const isDone = (one: Follower): boolean =>
        one.why !== undefined || one.lines().length >= scene.expected.length;
      await until(() => all.every(isDone), comesBackMs).catch(() => undefined);
      await sleep(settleMs);
      for (const one of all) {
        const why = difference(scene.expected, one.lines());
        if (why !== undefined) one.why ??= `after ${what}, ${why}; ${one.said()}`;
      }
    }
  } finally {
    for (const one of all) one[Symbol.dispose]();
  }
  return all.map(({ why }) => why);
}

/** Where lines are not those expected; undefined if they are. */
function difference(expected: readonly string[], lines: readonly string[]): string | undefined {
  const longer = lines.length > expected.length ? lines : expected;
  const at = longer.findIndex((_, i) => lines[i] !== expected[i]);
  return at < 0 ? undefined : `line ${at + 1} is ${String(lines[at])}, not ${String(expected[at])}`;
}

function portOf(address: string): number {
  return Number(address.split(':')[1]);
}

/** A program under way. It is ended when it goes out of scope. */
interface Program extends Disposable {
  /** The lines that it has printed. */
  lines(): readonly string[];
  /** The end of what it has written to stderr. */
  said(): string;
  /** How it ended; undefined while it runs. */
  code(): number | string | undefined;
}

function start(command: Command, args: readonly string[], cwd = '.'): Program {
  const [file = '', ...first] = command;
  const child = spawn(file, [...first, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  let said = '';
  let code: number | string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)));
  child.on('error', (error) => (code = error.message));
  void once(child, 'close').then(([exit, signal]) => (code ??= (exit ?? signal) as number | string));
  return {
    lines: () => printed.split('\n').slice(0, -1),
    said: () => said.trim(),
    code: () => code,
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}
