import { indexFolder } from '../../src/replica/apply/open-files';
import { ReplicaIndex } from '../../src/replica/index/replica-index';
import { verifyReplica } from '../../src/replica/offline';
import type { Replica } from '../../src/replica/replica';
import type { StreamControl } from '../../src/store/stream-rules';
import {
  position as toPosition,
  sequenceAfter,
  unixNanos,
  version as toVersion,
  type StreamName,
} from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { call, eventsOf, open, wholeStream } from '../support/opened-replica';
import { until } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';

/** How the files of a replica hold controls. */

const truncate = (before: bigint): StreamControl => ({ kind: 'truncate', before: toVersion(before) });

/** Everything that the index says of some streams. */
function indexed({ files: { index } }: Replica, ...streams: readonly string[]): unknown {
  return streams.map((stream) => ({
    head: index.head(stream),
    forward: [...index.forward(stream, 1n)],
    backward: [...index.backward(stream)],
    rules: index.rules.get(stream),
  }));
}

test('heads see controls, and entries do not', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  log.appendEvents(3, 'a');
  const control = log.control('a', truncate(3n));
  log.append('b');
  await using opened = await open(log, folder);
  const { index } = opened.replica.files;
  expect(index.head('a')).toMatchObject({
    kind: 'control',
    version: 4n,
    sequence: control.sequence,
    count: 0,
  });
  expect([...index.forward('a', 1n)].map(({ version }) => version)).toEqual([1n, 4n]);
  expect([...index.forward('a', 5n)]).toEqual([]);
  expect([...index.backward('a')].map(({ version }) => version)).toEqual([4n, 1n]);
  expect([...index.backward('a', 3n)].map(({ version }) => version)).toEqual([4n, 1n]);
  expect([...index.backward('a', 4n)].map(({ version }) => version)).toEqual([4n, 1n]);
  expect(index.nextStream('', '')).toMatchObject({ stream: 'a', entry: { kind: 'control' } });
  expect(index.rules.isEmpty).toBe(false);
  expect(index.rules.get('a')).toEqual({ rules: control.rules, position: control.position });
  expect(index.rules.get('b')).toBeUndefined();
  expect([...index.rules.all()].map(({ stream }) => stream)).toEqual(['a']);
  expect([...index.rules.streamsAfter(0n)]).toEqual([{ stream: 'a', position: control.position }]);
  expect([...index.rules.streamsAfter(control.position)]).toEqual([]);
  expect(index.rules.lastControl).toBe(control.position);
  log.append('a');
  await opened.reads.readStream({ ...wholeStream, stream: 'a' as StreamName }, call());
  expect(index.head('a')).toMatchObject({ kind: 'commit', version: 5n });
  expect(index.rules.get('a')?.rules).toEqual(control.rules);
});

test('a store without controls needs no lookup', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  await using opened = await open(log, folder);
  const { rules } = opened.replica.files.index;
  expect([rules.isEmpty, rules.get('a'), rules.get('')]).toEqual([true, undefined, undefined]);
  log.control('a', { kind: 'delete' });
  await opened.reads.getVersion('a' as StreamName, undefined, call());
  expect([rules.isEmpty, rules.get('a')?.rules.isDeleted]).toEqual([false, true]);
});

test('a reader that sees a control in an index that another process writes sees its rules too', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  await using opened = await open(log, folder);
  const other = new ReplicaIndex(indexFolder(folder), { readOnly: true });
  try {
    expect([other.rules.isEmpty, other.head('a')?.kind]).toEqual([true, 'commit']);
    log.control('a', { kind: 'tombstone' });
    await opened.replica.catchUp('leader', call());
    await until(() => Promise.resolve(other.head('a')?.kind === 'control'));
    expect(other.rules.get('a')?.rules.isTombstoned).toBe(true);
  } finally {
    await other.close();
  }
});

test('a replica that was filled at once, bit by bit, or opened again says the same', async () => {
  const [log, live, later] = [new MemoryLog(), makeReplicaDir(), makeReplicaDir()];
  const streams = ['a', 'a.b', 'b', 'c'];
  const controls: StreamControl[] = [
    truncate(2n),
    { kind: 'retain', retention: { maxCount: 3n, maxAgeNanos: 86_400_000_000_000n } },
    { kind: 'delete' },
    { kind: 'retain', retention: { maxCount: undefined, maxAgeNanos: undefined } },
    { kind: 'tombstone' },
  ];
  let before: unknown;
  {
    await using opened = await open(log, live);
    for (const control of controls) {
      log.append(...streams);
      log.appendEvents(2, 'a');
      for (const stream of streams.slice(1)) log.control(stream, control);
      await opened.replica.catchUp('leader', call());
    }
    before = indexed(opened.replica, ...streams);
    // All streams but one were tombstoned.
    expect(await eventsOf(opened)).toHaveLength(3 * controls.length);
    await using filled = await open(log, later);
    expect(indexed(filled.replica, ...streams)).toEqual(before);
  }
  expect((await verifyReplica(live)).records).toBeGreaterThan(0);
  await using again = await open(log, live);
  expect(indexed(again.replica, ...streams)).toEqual(before);
  expect(again.replica.files.index.rules.get('b')?.rules).toMatchObject({ isTombstoned: true });
  expect(again.replica.files.index.rules.get('a')).toBeUndefined();
});

test('a control of an earlier version is damage, and changes no rules', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  const control = log.control('a', { kind: 'delete' });
  const [commit] = log.append('a');
  const sequence = sequenceAfter(commit?.sequence ?? control.sequence, 1n);
  log.groups.push([{ ...control, sequence, position: toPosition(sequence) }]);
  log.append('b');
  await using opened = await open(log, folder);
  expect(opened.replica.files.index.head('a')?.kind).toBe('damage');
  expect(opened.replica.files.index.rules.get('a')?.position).toBe(control.position);
});

test('the head of a time before a stream was damaged at its end, however often, is its last control', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  const { timeNanos, position } = log.control('a', truncate(2n));
  for (let n = 0; n < 600; n++) Object.assign(log.damage('a'), { timeNanos: timeNanos + 1n });
  await using opened = await open(log, folder);
  const head = await opened.reads.getVersion('a' as StreamName, unixNanos(timeNanos), call());
  expect(head).toMatchObject({ version: 1n, position, lifecycle: { firstVersion: 2n } });
});
