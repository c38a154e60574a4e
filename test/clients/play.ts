import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../../conformance/json-files';
import { fillIn } from '../../conformance/fill-in';
import { mismatch } from '../../conformance/mismatch';
import { uuidV7 } from '../../src/client/append';
import { startCallProxy, type CallProxy } from './call-proxy';
import type { Case, CommandAction, Fault, Outcome, Repeated, Action } from './case-file';
import type { Command, CommandEnd, Driver, JsonObject } from './driver';
import { startFaultProxy, type FaultProxy } from './fault-proxy';
import type { Gateway } from './gateways';

/** Where a case is played. */
export interface Stage {
  readonly driver: Driver;
  /** The gateway of the file, which faults of a gateway are for. */
  readonly gateway: Gateway;
  /** The gateway behind each proxy; behind further ones, that of the file. */
  readonly behind: readonly Gateway[];
  /** The name in the address of each proxy, if it is not its address. */
  readonly names: readonly string[];
  /** Of names of streams, clients and sessions: unique to the case and the driver. */
  readonly prefix: string;
  /** What cases may name. */
  readonly values: Readonly<Record<string, string>>;
}

/** How a client reaches a gateway. */
interface Way extends AsyncDisposable {
  readonly network: FaultProxy;
  /** undefined: the case does not look at calls. */
  readonly calls: CallProxy | undefined;
}

interface Begun {
  readonly command: Command;
  /** How many reports `await` actions have looked at. */
  checked: number;
}

interface Scene extends Stage {
  readonly variables: Map<string, string>;
  readonly ways: readonly Way[];
  readonly begun: Map<string, Begun>;
  readonly clients: Set<string>;
}

/** How long a call is made again, and how often. */
const untilMs = 20_000;
const pauseMs = 50;

/** Plays a case. Throws, with the action, at the first thing that is not as expected. */
export async function play({ actions, proxies, http2 }: Case, stage: Stage): Promise<void> {
  const ways: Way[] = [];
  const variables = new Map([...Object.entries(stage.values), ['s', stage.prefix] as const]);
  for (const name of ['id1', 'id2']) variables.set(name, uuidV7());
  const scene: Scene = { ...stage, variables, ways, begun: new Map(), clients: new Set() };
  try {
    while (ways.length < proxies) {
      const { address } = stage.behind[ways.length] ?? stage.gateway;
      const name = stage.names[ways.length] ?? '127.0.0.1';
      const way = await openWay(address, http2);
      const [, port = ''] = way.network.address.split(':');
      const number = ways.push(way);
      variables.set(`p${number}`, `${name}:${port}`).set(`port${number}`, port);
    }
    const connects = actions.some((action) => 'command' in action && action.command['do'] === 'connect');
    if (!connects) await endOf(begin({ do: 'connect', addresses: ['${p1}'] }, scene));
    await playActions(actions, scene);
  } finally {
    const close = (client: string): Promise<unknown> => endOf(stage.driver.begin({ do: 'close', client }));
    // The driver may be gone.
    await Promise.allSettled([...scene.clients].map(close));
    for (const way of ways) await way[Symbol.asyncDispose]();
  }
}

async function openWay(gateway: string, knowsCalls: boolean): Promise<Way> {
  const calls = knowsCalls ? await startCallProxy(gateway) : undefined;
  const network = await startFaultProxy(calls?.port ?? Number(gateway.split(':')[1]));
  return {
    calls,
    network,
    async [Symbol.asyncDispose]() {
      await network[Symbol.asyncDispose]();
      await calls?.[Symbol.asyncDispose]();
    },
  };
}

async function playActions(actions: readonly (Action | Repeated)[], scene: Scene): Promise<void> {
  for (const [index, action] of actions.entries()) {
    const playing = 'each' in action ? repeat(action, scene) : playAction(action, scene);
    await playing.catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      const head = 'each' in action ? action.each : JSON.stringify(action).slice(0, 100);
      throw new Error(`action ${index + 1} (${head}): ${why}`, { cause: error });
    });
  }
}

async function repeat({ each, of, actions }: Repeated, scene: Scene): Promise<void> {
  for (const value of of) {
    scene.variables.set(each, String(value));
    await playActions(actions, scene).catch((error: unknown) => {
      throw new Error(`${each} = ${value}: ${(error as Error).message}`, { cause: error });
    });
  }
}

async function playAction(action: Action, scene: Scene): Promise<void> {
  const { driver } = scene;
  if ('fault' in action) await playFault(action, scene);
  else if ('await' in action) await playAwait(action, scene);
  else if ('end' in action) await checkEnd(find(action.end, scene).command, action, scene);
  else if ('stop' in action)
    await endOf(driver.begin({ do: 'stop', call: find(action.stop, scene).command.id }));
  else if ('calls' in action) {
    const found = String(way(action, scene).calls?.calls(action.calls));
    const why = mismatch({ count: fillIn(action.count, scene.variables) }, { count: found });
    if (why !== undefined) throw new Error(why);
  } else if ('parallel' in action) {
    const commands = action.parallel.map((each) => ({ each, command: begin(each.command, scene) }));
    for (const { each, command } of commands) await checkEnd(command, each.expected, scene);
  } else await playCommand(action, scene);
}

async function playCommand(action: CommandAction, scene: Scene): Promise<void> {
  const { command, begin: name, expected } = action;
  const begun = begin(command, scene);
  if (name !== undefined) scene.begun.set(nameOf(name, scene), { command: begun, checked: 0 });
  else if (action.until) await untilExpected(begun, action, scene);
  else await checkEnd(begun, expected, scene);
}

async function untilExpected(
  first: Command,
  { command, expected }: CommandAction,
  scene: Scene,
): Promise<void> {
  const endMs = performance.now() + untilMs;
  for (let begun = first; ; begun = begin(command, scene)) {
    try {
      await checkEnd(begun, expected, scene);
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
    }
    await sleep(pauseMs);
  }
}

function nameOf(name: string, { variables }: Scene): string {
  return fillIn(name, variables) as string;
}

/** These name no client. */
const clientless = ['sessionAppend', 'closeSession', 'stop'];

function begin(given: JsonObject, { driver, variables, prefix, clients }: Scene): Command {
  const command = fillIn(given, variables) as Record<string, Json>;
  const { do: name, client = 'c', session } = command as Record<string, string>;
  if (name === undefined) throw new Error('a command needs its name');
  if (driver.lacks.includes(name)) throw new Error(`the driver lacks ${name}`);
  if (!clientless.includes(name)) command['client'] = `${prefix}/${client}`;
  if (session !== undefined) command['session'] = `${prefix}/${session}`;
  if (name === 'connect') clients.add(`${prefix}/${client}`);
  return driver.begin(command);
}

function find(name: string, scene: Scene): Begun {
  const found = scene.begun.get(nameOf(name, scene));
  if (found === undefined) throw new Error(`nothing has begun as ${name}`);
  return found;
}

function way({ proxy }: { readonly proxy: number }, { ways }: Scene): Way {
  const found = ways[proxy - 1];
  if (found === undefined) throw new Error(`there is no proxy ${proxy}`);
  return found;
}

async function playFault(fault: Fault, scene: Scene): Promise<void> {
  if (!('proxy' in fault)) {
    await scene.gateway[fault.fault]();
    return;
  }
  const { network, calls } = way(fault, scene);
  switch (fault.fault) {
    case 'cut':
    case 'swallow':
    case 'refuse':
    case 'heal':
      await network[fault.fault]();
      return;
    case 'cutAfter':
      network.cutAfter({ side: fault.side, bytes: Number(fillIn(fault.bytes, scene.variables)) });
      return;
    case 'slow':
      network.slow(fault.bytesPerSecond);
      return;
  }
  if (calls === undefined) throw new Error(`${fault.fault} needs "http2": true`);
  if (fault.fault === 'goaway') calls.goAway();
  else if (fault.fault === 'mute') calls.mute(fault.method);
  else if (fault.fault === 'cutRead') {
    const messages = Number(fillIn(fault.messages, scene.variables));
    calls.meet(fault.method, fault.times, { fault: 'cutRead', messages });
  } else calls.meet(fault.method, fault.times, fault);
}

/** Waits for a report like this one, and skips others before it. */
async function playAwait(action: Extract<Action, { await: string }>, scene: Scene): Promise<void> {
  const begun = find(action.await, scene);
  const { command } = begun;
  const expected = fillIn(
    action.event === undefined ? { note: action.note ?? '' } : { event: action.event },
    scene.variables,
  );
  for (const from = begun.checked; ; begun.checked++) {
    await command
      .until(() => command.reports.length > begun.checked || command.end !== undefined)
      .catch((error: unknown) => {
        const skipped = JSON.stringify(command.reports.slice(from)).slice(0, 500);
        throw new Error(`${(error as Error).message}; it reported ${skipped}`, { cause: error });
      });
    const report = command.reports[begun.checked];
    if (report === undefined) throw new Error(`it ended with ${JSON.stringify(command.end)}`);
    if (mismatch(expected, report) !== undefined) continue;
    begun.checked++;
    return;
  }
}

async function endOf(command: Command): Promise<CommandEnd> {
  await command.until(() => command.end !== undefined);
  return command.end ?? { result: null };
}

async function checkEnd(command: Command, expected: Outcome, { variables }: Scene): Promise<void> {
  const end = await endOf(command);
  const wanted = expected.error === undefined ? { result: expected.result ?? {} } : { error: expected.error };
  const gets = command.reports.flatMap((report) => ('event' in report ? [report.event] : []));
  const notes = command.reports.flatMap((report) => ('note' in report ? [report.note] : []));
  const why =
    mismatch(fillIn(wanted, variables), end) ??
    (expected.gets && mismatch({ gets: fillIn(expected.gets, variables) }, { gets })) ??
    (expected.notes && mismatch({ notes: expected.notes }, { notes }));
  if (why !== undefined) throw new Error(`${why}; it ended with ${JSON.stringify(end).slice(0, 600)}`);
  for (const [name, path] of Object.entries(expected.capture ?? {})) {
    let value: unknown = 'result' in end ? end.result : end.error;
    for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
    if (typeof value !== 'string') throw new Error(`there is no ${path} to capture`);
    variables.set(name, value);
  }
}
