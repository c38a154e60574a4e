import type { AppendCommand, CallContext, EventStore, ReadStreamQuery } from '../../src/store/event-store';
import { defaultLimits } from '../../src/limits';
import { durable } from '../../src/store/durable';
import { leftToNats, newSyncCounts, type Durability } from '../../src/store/durability';
import { OutcomeUnknownError, StoreUnavailableError, VersionConflictError } from '../../src/store/errors';
import { parseStreamName, version, type StreamName } from '../../src/store/values';
import { createModelStore } from '../support/model-store';
import { newEvent } from './new-event';

/** What a store shows of its log leaves it once that is durable, over the model and a disk that is as slow as the test wants. */

/** A disk that syncs when the test says so. */
class SlowDisk implements Durability {
  readonly failed = new Promise<void>(() => undefined);
  readonly counts = newSyncCounts();
  /** Sequences that somebody waits for; "all". */
  readonly waiting: string[] = [];
  private syncs: { resolve(): void; reject(error: Error): void }[] = [];

  begin(): void {
    // There is nothing before.
  }

  whenDurable(sequence: bigint): Promise<void> {
    return this.wait(sequence.toString());
  }

  whenAllDurable(): Promise<void> {
    return this.wait('all');
  }

  forget(): void {
    // The log never goes back.
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }

  sync(): void {
    for (const sync of this.syncs.splice(0)) sync.resolve();
  }

  fail(): void {
    for (const sync of this.syncs.splice(0)) sync.reject(new StoreUnavailableError('the disk fails'));
  }

  private wait(what: string): Promise<void> {
    this.waiting.push(what);
    return new Promise((resolve, reject) => this.syncs.push({ resolve, reject }));
  }
}

const call: CallContext = { signal: new AbortController().signal, deadlineMs: Infinity };
const stream = parseStreamName('a') as StreamName;
const appendOf = (expected?: bigint): AppendCommand => ({
  stream,
  events: [newEvent()],
  expected: expected === undefined ? undefined : version(expected),
  commitId: undefined,
});

let disk: SlowDisk;
let store: EventStore;
beforeEach(() => {
  disk = new SlowDisk();
  store = durable(createModelStore(), disk, defaultLimits);
});

/** Whether a promise is settled after a turn of the event loop. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test('appends wait until their commits are durable, and not for one another', async () => {
  const first = store.append(appendOf(), call);
  const second = store.append(appendOf(), call);
  expect(await isSettled(Promise.race([first, second]))).toBe(false);
  expect(disk.waiting).toEqual(['1', '2']);
  disk.sync();
  expect((await Promise.all([first, second])).map((result) => result.version)).toEqual([1n, 2n]);
});

test('what several streams, the check of a version and the state of the store show is waited for', async () => {
  const calls: readonly (() => Promise<unknown>)[] = [
    () => store.appendMulti({ appends: [appendOf()], checks: [], commitId: undefined }, call),
    () => store.append({ ...appendOf(), events: [] }, call),
    () => store.info(call),
    () =>
      store.control({ stream, control: { kind: 'delete' }, expected: undefined, commitId: undefined }, call),
  ];
  for (const begin of calls) {
    const shown = begin();
    expect(await isSettled(shown)).toBe(false);
    disk.sync();
    await shown;
  }
  expect(disk.waiting).toEqual(['1', '1', '1', '2']);
});

test('a version conflict shows a version, and waits for all of the log', async () => {
  const conflict = store.append(appendOf(7n), call);
  expect(await isSettled(conflict)).toBe(false);
  expect(disk.waiting).toEqual(['all']);
  disk.sync();
  await expect(conflict).rejects.toThrow(VersionConflictError);
});

test('an append that is only validated waits for all of the log, stored or refused', async () => {
  const validated = store.append({ ...appendOf(0n), validateOnly: true }, call);
  expect(await isSettled(validated)).toBe(false);
  disk.sync();
  expect(await validated).toMatchObject({ version: 1n, commitId: undefined });
  const conflict = store.append({ ...appendOf(7n), validateOnly: true }, call);
  expect(await isSettled(conflict)).toBe(false);
  disk.sync();
  await expect(conflict).rejects.toThrow(VersionConflictError);
  expect(disk.waiting).toEqual(['all', 'all']);
});

test('an error that shows nothing of the log does not wait', async () => {
  for (const validateOnly of [false, true]) {
    const late = store.append({ ...appendOf(), validateOnly }, { ...call, deadlineMs: 0 });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  }
  expect(disk.waiting).toEqual([]);
});

test('whether an append is stored is unknown if the disk fails, and a check of a version fails', async () => {
  const append = store.append(appendOf(), call);
  expect(await isSettled(append)).toBe(false);
  disk.fail();
  await expect(append).rejects.toThrow(OutcomeUnknownError);
  const check = store.append({ ...appendOf(), events: [] }, call);
  expect(await isSettled(check)).toBe(false);
  disk.fail();
  await expect(check).rejects.toThrow(StoreUnavailableError);
});

test('reads do not wait, since the replica has only what is durable', async () => {
  const query: ReadStreamQuery = {
    stream,
    direction: 'forward',
    fromVersion: version(0n),
    toVersion: version(0n),
    maxCount: undefined,
    fromTime: undefined,
    toTime: undefined,
    eventTypes: new Set(),
    consistency: 'leader',
  };
  await store.readStream(query, call);
  await store.getVersion(stream, undefined, call);
  expect(disk.waiting).toEqual([]);
});

test('a log that NATS syncs by itself is never waited for', async () => {
  const left = durable(createModelStore(), leftToNats, defaultLimits);
  expect((await left.append(appendOf(), call)).version).toBe(1n);
  await expect(left.append(appendOf(7n), call)).rejects.toThrow(VersionConflictError);
});
