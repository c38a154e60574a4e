import type { AppendCommand, CallContext } from '../../src/store/event-store';
import { CallCounts, observed } from '../../src/store/observed';
import { parseStreamName, version, type StreamName } from '../../src/store/values';
import { createModelStore } from '../support/model-store';
import { newEvent } from './new-event';

const call: CallContext = { signal: new AbortController().signal, deadlineMs: Infinity };
const stream = parseStreamName('a') as StreamName;
const append: AppendCommand = { stream, events: [newEvent()], expected: undefined, commitId: undefined };

test('every call is counted by how it ended, and goes on as it is', async () => {
  const counts = new CallCounts();
  const store = observed(createModelStore(), counts);
  expect((await store.append(append, call)).version).toBe(1n);
  await expect(store.append({ ...append, expected: version(7n) }, call)).rejects.toMatchObject({
    code: 'VERSION_CONFLICT',
  });
  await store.append(append, call);
  const listed = [];
  const query = { patterns: ['>'], after: '', maxCount: undefined };
  for await (const page of store.listStreams(query, call)) listed.push(...page);
  expect(listed).toHaveLength(1);
  // The caller leaves the loop.
  for await (const page of store.listStreams(query, call)) if (page.length > 0) break;
  const late = { ...call, deadlineMs: 0 };
  await expect(store.listStreams(query, late)[Symbol.asyncIterator]().next()).rejects.toThrow('deadline');
  const calls = Object.entries(counts.summary()).map(([key, count]) => [key, count.calls]);
  expect(Object.fromEntries(calls)).toEqual({
    'append OK': 2,
    'append VERSION_CONFLICT': 1,
    'listStreams OK': 2,
    'listStreams DEADLINE_EXCEEDED': 1,
  });
});

test('a subscription is over with its loop', async () => {
  const counts = new CallCounts();
  const store = observed(createModelStore(), counts);
  const [stop, filter] = [
    new AbortController(),
    { patterns: ['>'], eventTypes: new Set<string>(), eventTypePrefixes: [] },
  ];
  const query = {
    filter,
    start: { kind: 'now' as const },
    startMustExist: false,
    heartbeatMs: undefined,
    skipUnreadable: false,
    storeId: '',
  };
  for await (const { kind } of store.subscribe(query, call, stop.signal)) {
    expect(counts.summary()).toEqual({});
    if (kind === 'caughtUp') stop.abort();
  }
  expect(counts.summary()['subscribe OK']?.calls).toBe(1);
});

test('times are summed up', () => {
  const counts = new CallCounts();
  counts.onEnd('info', 'OK', 1);
  counts.onEnd('info', 'OK', 2);
  counts.onEnd('info', 'ERROR', 4);
  expect(counts.summary()).toEqual({
    'info OK': { calls: 2, meanMs: 1.5, maxMs: 2 },
    'info ERROR': { calls: 1, meanMs: 4, maxMs: 4 },
  });
});
