import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { version as grpcVersion } from '@grpc/grpc-js/package.json';
import {
  connect,
  isSluiceError,
  ParkEvent,
  SkipEvent,
  withRetryOnCondition,
  withRetryOnConflict,
  type AppendCondition,
  type AppendSession,
  type ConnectOptions,
  type EventRead,
  type RecordedEvent,
  type SluiceClient,
} from '../../../src/client/client';
import { parseCommand, type Command, type CommandOf, type Options } from './commands';

/** The TypeScript client behind the lines of README.md. */

interface Call {
  readonly signal: AbortSignal;
  /** Aborts when a subscription or a member is to stop. */
  readonly stop: AbortSignal;
  readonly report: (line: object) => void;
}

interface Running {
  readonly isLoop: boolean;
  readonly cancel: AbortController;
  readonly stop: AbortController;
}

interface Session {
  readonly open: AppendSession;
  /** When the append before has been sent. */
  turn: Promise<unknown> | undefined;
}

const clients = new Map<string, SluiceClient>();
const sessions = new Map<string, Session>();
const running = new Map<number, Running>();

function clientOf({ client }: { readonly client: string }): SluiceClient {
  const found = clients.get(client);
  if (found === undefined) throw new DriverError(`there is no client ${client}`);
  return found;
}

function sessionOf({ session }: { readonly session: string }): Session {
  const found = sessions.get(session);
  if (found === undefined) throw new DriverError(`there is no session ${session}`);
  return found;
}

class DriverError extends Error {}

function toConnectOptions({ tokens, token, ...rest }: Options): ConnectOptions {
  if (tokens === undefined) return { ...rest, token };
  let asked = 0;
  return { ...rest, token: () => tokens[Math.min(asked++, tokens.length - 1)] ?? '' };
}

type Perform<Name extends Command['do']> = (command: CommandOf<Name>, call: Call) => unknown;

const perform: { readonly [Name in Command['do']]: Perform<Name> } = {
  connect({ client, addresses, options = {} }) {
    const [only = ''] = addresses;
    clients.set(client, connect(addresses.length === 1 ? only : addresses, toConnectOptions(options)));
    return {};
  },
  close(command) {
    clientOf(command).close();
    return {};
  },
  append: ({ stream, events, ...rest }, { signal }) =>
    clientOf(rest).append(stream, events, { ...conditionsOf(rest), signal }),
  appendMulti: ({ appends, ...rest }, { signal }) =>
    clientOf(rest).appendMulti(appends, { ...conditionsOf(rest), checks: rest.checks, signal }),
  openSession({ session, pendingMax, inOrder, ...rest }) {
    sessions.set(session, { open: clientOf(rest).appendSession({ pendingMax, inOrder }), turn: undefined });
    return {};
  },
  async sessionAppend({ stream, events, ...rest }) {
    const session = sessionOf(rest);
    const begun = (session.turn ?? Promise.resolve()).then(async () => {
      await session.open.ready();
      return { result: session.open.append(stream, events, conditionsOf(rest)) };
    });
    // The next append of the session waits for space after this one.
    session.turn = begun.catch(() => undefined);
    return (await begun).result;
  },
  async closeSession(command) {
    const { open, turn } = sessionOf(command);
    await turn;
    await open.close();
    return {};
  },
  readStream: ({ stream, client, ...options }, call) =>
    readOut(clientOf({ client }).readStream(stream, { ...options, signal: call.signal }), call),
  async readAll({ client, ...options }, call) {
    const read = clientOf({ client }).readAll({ ...options, signal: call.signal });
    const outcome = await readOut(read, call);
    return { ...outcome, cursor: read.cursor };
  },
  readByCorrelation: ({ client, correlationId, ...options }, call) =>
    readOut(clientOf({ client }).readByCorrelation(correlationId, { ...options, signal: call.signal }), call),
  getVersion: ({ stream, ...rest }, { signal }) =>
    clientOf(rest).getVersion(stream, { deadlineMs: rest.deadlineMs, signal }),
  async serverInfo({ deadlineMs, ...rest }, { signal }) {
    const { version } = await clientOf(rest).serverInfo({ deadlineMs, signal });
    return { version };
  },
  subscribe: follow,
  consume,
  async createGroup({ group, client, ...settings }, { signal }) {
    await clientOf({ client }).groups.create(group, { settings, signal });
    return {};
  },
  async listParked({ group, ...rest }, { signal }) {
    const parked: object[] = [];
    for await (const { stream, version, reason } of clientOf(rest).groups.listParked(group, { signal }))
      parked.push({ stream, version, reason });
    return { parked };
  },
  async erase({ stream, fromVersion, toVersion, reason, ...rest }, { signal }) {
    const erasure = { fromVersion, toVersion, reason };
    const { changed, replayed, commitId } = await clientOf(rest).streams.erase(stream, erasure, {
      commitId: rest.commitId,
      deadlineMs: rest.deadlineMs,
      signal,
    });
    return { changed, replayed, commitId };
  },
  retryOnConflict,
  retryOnCondition,
  stop({ call }) {
    const found = running.get(call);
    if (found?.isLoop === true) found.stop.abort();
    else found?.cancel.abort(new Error('stopped'));
    return {};
  },
};

interface Conditions {
  readonly expectedVersion?: 'exists' | bigint | undefined;
  readonly commitId?: string | undefined;
  readonly condition?: AppendCondition | undefined;
  readonly deadlineMs?: number | undefined;
}

function conditionsOf({ expectedVersion, commitId, condition, deadlineMs }: Conditions): Conditions {
  return { expectedVersion, commitId, condition, deadlineMs };
}

async function readOut<Head>(
  read: EventRead<Head>,
  { report }: Call,
): Promise<{ count: number; head: Head }> {
  let count = 0;
  for await (const event of read) {
    count++;
    report({ event: shown(event) });
  }
  return { count, head: read.head };
}

async function follow(
  { client, pauseMs, ...options }: CommandOf<'subscribe'>,
  { report, signal, stop }: Call,
): Promise<object> {
  const note = (note: string): void => {
    report({ note });
  };
  const subscription = clientOf({ client }).subscribe({
    ...options,
    signal: AbortSignal.any([signal, stop]),
    onCaughtUp: () => {
      note('caughtUp');
    },
    onFellBehind: () => {
      note('fellBehind');
    },
    onReconnect: () => {
      note('reconnect');
    },
  });
  try {
    for await (const event of subscription) {
      report({ event: shown(event) });
      if (pauseMs !== undefined) await sleep(pauseMs);
    }
  } catch (error) {
    if (!stop.aborted || error !== stop.reason) throw error;
  }
  return { position: subscription.position };
}

async function consume(
  { client, group, onType = {}, ...options }: CommandOf<'consume'>,
  { report, signal, stop }: Call,
): Promise<object> {
  const handle = (event: RecordedEvent, { attempt }: { readonly attempt: number }): void => {
    report({ event: { ...shown(event), attempt } });
    const outcome = onType[event.type];
    if (outcome === 'park') throw new ParkEvent('parked by the driver');
    if (outcome === 'skip') throw new SkipEvent();
    if (outcome === 'fail') throw new Error('failed by the driver');
  };
  const noting = (note: string) => () => {
    report({ note });
  };
  await clientOf({ client }).consume(group, handle, {
    ...options,
    stop,
    signal,
    onJoined: noting('joined'),
    onCaughtUp: noting('caughtUp'),
    onReconnect: noting('reconnect'),
    onRefused: noting('refused'),
  });
  return {};
}

async function retryOnConflict(
  { stream, event, collisions, attemptsMax, ...rest }: CommandOf<'retryOnConflict'>,
  { signal }: Call,
): Promise<object> {
  const client = clientOf(rest);
  let attempts = 0;
  const load = async (): Promise<bigint> => {
    const read = client.readStream(stream, { signal });
    let version = 0n;
    for await (const found of read) ({ version } = found);
    if (attempts++ < collisions) await client.append(stream, [{ type: 'Collision' }], { signal });
    return version;
  };
  const decide = (expectedVersion: bigint): ReturnType<SluiceClient['append']> =>
    client.append(stream, [event], { expectedVersion, signal });
  const { version } = await withRetryOnConflict(load, decide, { attemptsMax, signal });
  return { attempts, version };
}

async function retryOnCondition(
  { stream, event, query, collisions, attemptsMax, ...rest }: CommandOf<'retryOnCondition'>,
  { signal }: Call,
): Promise<object> {
  const client = clientOf(rest);
  const seen: number[] = [];
  const decide = async (
    events: readonly RecordedEvent[],
    condition: AppendCondition,
  ): ReturnType<SluiceClient['append']> => {
    seen.push(events.length);
    if (seen.length <= collisions)
      await client.append(`${stream}.other`, [{ type: 'Collision', tags: event.tags }], { signal });
    return client.append(stream, [event], { condition, signal });
  };
  const { version } = await withRetryOnCondition(client, query, decide, { attemptsMax, signal });
  return { seen, version };
}

function shown({ data, ...event }: RecordedEvent): object {
  if (data === undefined) return event;
  return typeof data === 'string'
    ? { ...event, text: data }
    : { ...event, binary: Buffer.from(data).toString('base64') };
}

/** The fields of an error that README.md lists. */
const fields = [
  ...[
    'stream',
    'expected',
    'actual',
    'conflicts',
    'commitId',
    'position',
    'item',
    'eventId',
    'retryDelayMs',
    'limit',
  ],
  ...['violations', 'reason', 'action', 'subject', 'status', 'requestId', 'wholeCommits'],
];

function describe(error: unknown, cancel: AbortSignal): object {
  if (!(error instanceof Error)) return { code: 'DRIVER', message: String(error), name: typeof error };
  const { message, name } = error;
  if (isSluiceError(error)) {
    const named = Object.entries(error).filter(([field]) => fields.includes(field));
    const cause = isSluiceError(error.cause) ? describe(error.cause, cancel) : undefined;
    return { code: error.code, message, name, cause, ...Object.fromEntries(named) };
  }
  if (cancel.aborted && error === cancel.reason) return { code: 'ABORTED', message, name };
  const isArgument = error instanceof TypeError || error instanceof RangeError;
  return { code: isArgument ? 'ARGUMENT' : 'DRIVER', message, name };
}

function write(line: object): void {
  const toJson = (_name: string, value: unknown): unknown =>
    typeof value === 'bigint' ? value.toString() : value instanceof Map ? Object.fromEntries(value) : value;
  process.stdout.write(`${JSON.stringify(line, toJson)}\n`);
}

async function execute(line: string): Promise<void> {
  const { id, ...rest } = JSON.parse(line) as { readonly id: number };
  const cancel = new AbortController();
  const stop = new AbortController();
  const call: Call = {
    signal: cancel.signal,
    stop: stop.signal,
    report: (report) => {
      write({ id, ...report });
    },
  };
  try {
    const { do: name, ...command } = parseCommand(rest);
    running.set(id, { isLoop: ['subscribe', 'consume'].includes(name), cancel, stop });
    const result = await (perform[name] as Perform<Command['do']>)(command, call);
    write({ id, result });
  } catch (error) {
    write({ id, error: describe(error, cancel.signal) });
  }
  running.delete(id);
}

write({ driver: `Node.js ${process.version}, grpc-js ${grpcVersion}` });
createInterface({ input: process.stdin })
  .on('line', (line) => void execute(line))
  .on('close', () => {
    for (const client of clients.values()) client.close();
    process.exit(0);
  });
