import type { AppendCommand, CallContext, EventStore } from '../../src/store/event-store';
import { observed, type CallObserver } from '../../src/store/observed';
import { AccessDeniedError } from '../../src/auth/errors';
import { parseStreamName, version, type StreamName } from '../../src/store/values';
import { createModelStore } from '../support/model-store';
import { newEvent } from './new-event';

const call: CallContext = { signal: new AbortController().signal, deadlineMs: Infinity };
const stream = parseStreamName('a') as StreamName;
const append: AppendCommand = { stream, events: [newEvent()], expected: undefined, commitId: undefined };

/** Writes down what it learns, without times. */
function notes(): CallObserver & { readonly lines: string[] } {
  const lines: string[] = [];
  const note = (...words: (string | number)[]): void => void lines.push(words.join(' '));
  return {
    lines,
    onAppend(outcome, tookMs) {
      expect(tookMs).toBeGreaterThanOrEqual(0);
      note('append', outcome);
    },
    onStored(events, bytes) {
      note('stored', events, bytes);
    },
    onReplay() {
      note('replay');
    },
    onControl(kind, outcome) {
      note(kind, outcome);
    },
    onRead(method, outcome) {
      note(method, outcome);
    },
    onEvents(method, events, bytes) {
      expect(bytes).toBeGreaterThan(0);
      note(method, 'events', events);
    },
  };
}

function observedModel(): { readonly store: EventStore; readonly lines: string[] } {
  const observer = notes();
  return { store: observed(createModelStore(), observer), lines: observer.lines };
}

test('controls are reported by kind, with their outcome', async () => {
  const { store, lines } = observedModel();
  await store.append(append, call);
  const control = { stream, control: { kind: 'delete' }, expected: undefined, commitId: undefined } as const;
  await store.control(control, call);
  await store.control(control, call);
  await expect(store.control({ ...control, expected: version(7n) }, call)).rejects.toMatchObject({
    code: 'VERSION_CONFLICT',
  });
  expect(lines.slice(2)).toEqual(['delete OK', 'delete OK', 'delete VERSION_CONFLICT']);
});

test('appends are reported with what they stored', async () => {
  const { store, lines } = observedModel();
  expect((await store.append({ ...append, bytes: 70 }, call)).version).toBe(1n);
  await expect(store.append({ ...append, expected: version(7n) }, call)).rejects.toMatchObject({
    code: 'VERSION_CONFLICT',
  });
  const id = '01932f3e-7a1b-7c3d-9e8f-0123456789ab' as NonNullable<AppendCommand['commitId']>;
  const repeatable = { ...append, events: [newEvent(), newEvent()], commitId: id, bytes: 140 };
  await store.append(repeatable, call);
  expect((await store.append(repeatable, call)).replayed).toBe(true);
  const part = { stream, events: [newEvent()], expected: undefined };
  const other = { ...part, stream: parseStreamName('b') as StreamName };
  await store.appendMulti({ appends: [part, other], checks: [], commitId: undefined, bytes: 9 }, call);
  expect(lines).toEqual([
    'append OK',
    'stored 1 70',
    'append VERSION_CONFLICT',
    'append OK',
    'stored 2 140',
    'append OK',
    'replay',
    'append OK',
    'stored 2 9',
  ]);
});

test('reads are reported when they end, with their events', async () => {
  const { store, lines } = observedModel();
  await store.append({ ...append, events: [newEvent(), newEvent()] }, call);
  lines.length = 0;
  const query = {
    filter: { patterns: ['>'], eventTypes: new Set<string>(), eventTypePrefixes: [] },
    direction: 'forward' as const,
    afterPosition: undefined,
    afterCount: undefined,
    toPosition: 0n as never,
    maxCount: undefined,
    fromTime: undefined,
    toTime: undefined,
    skipUnreadable: false,
    storeId: '',
  };
  const { pages } = await store.readAll(query, call);
  expect(lines).toEqual([]);
  for await (const page of pages) expect(page.position).toBe(1n);
  expect(lines).toEqual(['readAll events 2', 'readAll OK']);
  await expect(store.getVersion(stream, undefined, { ...call, deadlineMs: 0 })).rejects.toThrow('deadline');
  expect(lines.at(-1)).toBe('getVersion DEADLINE_EXCEEDED');
});

test('a read is over when its caller leaves the loop', async () => {
  const { store, lines } = observedModel();
  await store.append(append, call);
  const query = { patterns: ['>'], after: '', maxCount: undefined, includeDeleted: false };
  for await (const page of store.listStreams(query, call)) if (page.length > 0) break;
  const late = { ...call, deadlineMs: 0 };
  await expect(store.listStreams(query, late)[Symbol.asyncIterator]().next()).rejects.toThrow('deadline');
  expect(lines.slice(2)).toEqual(['listStreams OK', 'listStreams DEADLINE_EXCEEDED']);
});

test('a subscription is over with its loop, however that ends', async () => {
  const { store, lines } = observedModel();
  await store.append(append, call);
  lines.length = 0;
  const stop = new AbortController();
  const query = {
    filter: { patterns: ['>'], eventTypes: new Set<string>(), eventTypePrefixes: [] },
    start: { kind: 'position' as const, after: 0n as never, afterCount: undefined, fromTime: undefined },
    startMustExist: false,
    heartbeatMs: undefined,
    skipUnreadable: false,
    storeId: '',
  };
  for await (const { kind } of store.subscribe(query, call, stop.signal)) {
    if (kind === 'caughtUp') stop.abort();
    expect(lines).toEqual(kind === 'checkpoint' ? [] : ['subscribe events 1']);
  }
  for await (const { kind } of store.subscribe(query, call, new AbortController().signal)) {
    if (kind === 'caughtUp') break;
  }
  expect(lines).toEqual(['subscribe events 1', 'subscribe OK', 'subscribe events 1', 'subscribe OK']);
});

test.each([
  ['ACCESS_DENIED', new AccessDeniedError('read', 'a')],
  ['INTERNAL', new TypeError('a bug')],
])('a call that ends with something else than an error of the store: %s', async (code, error) => {
  const observer = notes();
  const fails = (): Promise<never> => Promise.reject(error);
  const store = observed({ ...createModelStore(), append: fails, getVersion: fails }, observer);
  await expect(store.append(append, call)).rejects.toBe(error);
  await expect(store.getVersion(stream, undefined, call)).rejects.toBe(error);
  expect(observer.lines).toEqual([`append ${code}`, `getVersion ${code}`]);
});
