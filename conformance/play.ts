import { patience } from '../test/support/patience';
import type { Action, Case, Making, Outcome } from './case-file';
import type { Environment } from './environment';
import { fillIn } from './fill-in';
import type { Json } from './json-files';
import { mismatch } from './mismatch';
import type { Runner, RunnerCall } from './runner';

/** For calls without a deadline of their own, so that a call that hangs ends with a reason. */
const defaultDeadlineMs = 20_000 * patience;
const ownService = 'sluice.v1.EventStoreService';

interface OpenCall extends RunnerCall {
  /** How many messages `await` actions have checked. */
  checked: number;
}

/** Where a case is played. */
export interface Stage {
  readonly runner: Runner;
  readonly environment: Environment;
  /** By the names that actions use. */
  readonly tokens: Readonly<Record<string, string>>;
}

interface Scene extends Stage {
  readonly variables: Map<string, string>;
  readonly calls: Map<string, OpenCall>;
}

/** Plays the actions of a case. Throws, with the action, at the first thing that is not as expected. */
export async function play({ actions }: Case, stage: Stage): Promise<void> {
  const scene: Scene = { ...stage, variables: new Map(), calls: new Map() };
  try {
    for (const [index, action] of actions.entries()) {
      await playAction(action, scene).catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`action ${index + 1} (${headOf(action)}): ${why}`, { cause: error });
      });
    }
  } finally {
    for (const call of scene.calls.values()) {
      if (call.end === undefined) call.cancel();
    }
  }
}

/** What an action is, such as `call Append`. */
function headOf(action: Action): string {
  const [[verb, object] = []] = Object.entries(action) as [string, Json][];
  return `${String(verb)} ${typeof object === 'string' ? object : ''}`;
}

async function playAction(action: Action, scene: Scene): Promise<void> {
  const { environment, calls } = scene;
  if ('call' in action) await playCall(action, scene);
  else if ('open' in action) calls.set(action.as, open(action.open, action, action.request, scene));
  else if ('send' in action) find(action.send, scene).send(fillIn(action.request, scene.variables));
  else if ('halfClose' in action) find(action.halfClose, scene).halfClose();
  else if ('cancel' in action) find(action.cancel, scene).cancel();
  else if ('await' in action) await playAwait(action, scene);
  else if ('end' in action) await checkEnd(find(action.end, scene), action, scene);
  else if ('nats' in action) await environment.nats(action.nats);
  else if ('publish' in action) await environment.publish(action.publish);
  else if ('log' in action) await environment.editLog(action.log);
  else environment.stopGateway();
}

async function playCall(action: Extract<Action, { call: string }>, scene: Scene): Promise<void> {
  const isStream = Array.isArray(action.request);
  const call = open(action.call, action, isStream ? undefined : (action.request ?? {}), scene);
  if (Array.isArray(action.request)) {
    for (const message of fillIn(action.request, scene.variables) as Json[]) call.send(message);
    call.halfClose();
  }
  await checkEnd(call, action, scene);
}

function open(name: string, making: Making, request: Json | undefined, scene: Scene): OpenCall {
  const method = name.includes('/') ? name : `${ownService}/${name}`;
  const { token, deadlineMs = defaultDeadlineMs } = making;
  const call = {
    method,
    deadlineMs,
    ...(token !== undefined && { metadata: { authorization: `Bearer ${tokenOf(token, scene)}` } }),
    ...(request !== undefined && { request: fillIn(request, scene.variables) }),
  };
  return Object.assign(scene.runner.open(call), { checked: 0 });
}

function tokenOf(name: string, { tokens }: Scene): string {
  const token = tokens[name];
  if (token === undefined) throw new Error(`there is no token ${name}`);
  return token;
}

function find(name: string, { calls }: Scene): OpenCall {
  const call = calls.get(name);
  if (call === undefined) throw new Error(`no call is open as ${name}`);
  return call;
}

/** Waits for a message that is as expected, and skips others before it. */
async function playAwait(action: Extract<Action, { await: string }>, scene: Scene): Promise<void> {
  const call = find(action.await, scene);
  const expected = fillIn(action.message, scene.variables);
  const skipped: Json[] = [];
  for (;;) {
    await call.until(() => call.messages.length > call.checked || call.end !== undefined);
    const message = call.messages[call.checked];
    if (message === undefined)
      throw new Error(`it ended with ${JSON.stringify(call.end)} after ${JSON.stringify(skipped)}`);
    call.checked++;
    skipped.push(message);
    if (mismatch(expected, shortTypes(message)) !== undefined) continue;
    capture(action.capture, message, scene);
    return;
  }
}

async function checkEnd(call: RunnerCall, expected: Outcome, scene: Scene): Promise<void> {
  await call.until(() => call.end !== undefined);
  const { status, text, details } = call.end ?? { status: '', text: '', details: [] };
  const answer = shortTypes(merged(call.messages));
  const wanted = expected.status ?? 'OK';
  if (status !== wanted)
    throw new Error(`it ended with ${status} (${text}), not ${wanted}; ${JSON.stringify(answer)}`);
  const found: Json = { text, details: shortTypes([...details]), answer };
  const check: Record<string, Json> = {};
  if (expected.text !== undefined) check['text'] = { $contains: fillIn(expected.text, scene.variables) };
  if (expected.details !== undefined) check['details'] = fillIn(expected.details, scene.variables);
  if (expected.answer !== undefined) check['answer'] = fillIn(expected.answer, scene.variables);
  const why = mismatch(check, found) ?? incompleteness(call.messages);
  if (why !== undefined) throw new Error(why);
  capture(expected.capture, status === 'OK' ? answer : found, scene);
}

/** The messages of a stream merged as protobuf merges them: lists are joined, and the last value of other fields wins. */
function merged(messages: readonly Json[]): Json {
  const all: Record<string, Json> = {};
  for (const message of messages) {
    for (const [name, value] of Object.entries(message as Record<string, Json>)) {
      const before = all[name];
      all[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
    }
  }
  return all;
}

/** Why the messages are not a complete read; undefined for a complete read, and for other calls. */
function incompleteness(messages: readonly Json[]): string | undefined {
  const objects = messages as readonly Record<string, Json>[];
  const at = (field: string): number[] => objects.flatMap((message, i) => (field in message ? [i] : []));
  const [headers, ends] = [at('header'), at('end')];
  if (ends.length === 0) return undefined;
  if (ends.join() !== String(messages.length - 1)) return `end is in messages ${ends.join()}`;
  if (headers.join() !== '0') return `header is in messages ${headers.join()}`;
  const { events = [], end } = merged(messages) as { events?: Json[]; end: { eventCount?: string } };
  const said = end.eventCount ?? '0';
  return said === String(events.length) ? undefined : `${events.length} events came, the end says ${said}`;
}

/** The value with the host removed from each `@type`. */
function shortTypes(value: Json): Json {
  return JSON.parse(JSON.stringify(value).replaceAll('"type.googleapis.com/', '"')) as Json;
}

function capture(paths: Outcome['capture'], from: Json, { variables }: Scene): void {
  for (const [name, path] of Object.entries(paths ?? {})) {
    let value: unknown = from;
    for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
    if (typeof value !== 'string' && typeof value !== 'number')
      throw new Error(`there is no ${path} to capture`);
    variables.set(name, String(value));
  }
}
