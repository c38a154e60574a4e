import pino from 'pino';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { defaultLimits } from '../../src/limits';
import { Cancellation } from '../../src/replica/apply/commit-waiters';
import { Replica } from '../../src/replica/replica';
import { createReplicaStore } from '../../src/replica/replica-store';
import type { FromReader, ReaderLink, ReplicaLink, ToReader } from '../../src/replica/share/messages';
import { Publication } from '../../src/replica/share/publication';
import { version, type StreamName } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { until } from '../support/nats-server';
import { call, wholeStream } from '../support/opened-replica';
import { makeReplicaDir } from '../support/replica-dir';

/** A replica that others read, which here are in the process of the one that writes it. */

const logger = pino({ level: 'silent' });

/** Both ends of the way between the one that writes and a reader: messages are copied, and arrive later. */
function link(): { readonly writer: ReaderLink; readonly reader: ReplicaLink<FromReader, ToReader> } {
  const listeners: { writer: (message: FromReader) => void; reader: (message: ToReader) => void } = {
    writer: () => undefined,
    reader: () => undefined,
  };
  return {
    writer: {
      send: (message) =>
        setImmediate(() => {
          listeners.reader(structuredClone(message));
        }),
      onMessage: (listener) => void (listeners.writer = listener),
      onEnd: () => undefined,
      kill: () => undefined,
    },
    reader: {
      send: (message) =>
        setImmediate(() => {
          listeners.writer(structuredClone(message));
        }),
      onMessage: (listener) => void (listeners.reader = listener),
    },
  };
}

interface Shared extends AsyncDisposable {
  readonly log: MemoryLog;
  readonly written: Replica;
  openReader(): Promise<{ readonly reader: Replica; readonly writer: ReaderLink }>;
}

async function share(): Promise<Shared> {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 10; i++) log.append('a');
  const limits = { ...defaultLimits, readProgressTimeoutMs: 500 };
  const options = { folder, log, logger, limits };
  const publication = new Publication(limits);
  const written = await Replica.open(options, 2_000, publication);
  const opened = [written];
  return {
    log,
    written,
    async openReader() {
      const { reader: way, writer } = link();
      const opening = Replica.openShared({ ...options, link: way }, 2_000);
      publication.add(writer);
      const reader = await opening;
      opened.unshift(reader);
      await until(() => reader.isReady);
      return { reader, writer };
    },
    async [Symbol.asyncDispose]() {
      for (const replica of opened) await replica.close();
    },
  };
}

test('what the log reports and delivers as lost differs for ever: all readers together rebuild once for it', async () => {
  await using shared = await share();
  const { log, written } = shared;
  const readers = [await shared.openReader(), await shared.openReader()];
  log.lost = 5n;
  const catchUp = async (reader: Replica): Promise<void> => {
    await until(() => written.isReady && reader.isReady);
    await reader.catchUp('leader', call());
  };
  for (const { reader } of readers) await catchUp(reader);
  expect(written.facts.rebuilds).toBe(1);
  readers.push(await shared.openReader());
  for (const { reader } of readers) await catchUp(reader);
  expect(written.facts.rebuilds).toBe(1);
});

test('a log that delivers nothing ends what waits for it in the readers as well', async () => {
  await using shared = await share();
  const { reader } = await shared.openReader();
  const waiting = reader.waiters.wait({ stream: 'b', matches: (name) => name === 'b' }, new Cancellation());
  const ended = expect(waiting).rejects.toThrow('no new commits arrive from the log');
  shared.log.gate = () => Promise.reject(new Error('it is gone'));
  shared.log.append('a');
  await ended;
});

test('a reader serves again when the files can be written again', async () => {
  await using shared = await share();
  const { reader, writer } = await shared.openReader();
  const usable: boolean[] = [];
  reader.onFilled((isUsable) => usable.push(isUsable));
  const status = {
    isFilled: true,
    isFailing: false,
    refusal: undefined,
    troubleNow: '',
    troubleLately: '',
    filling: undefined,
  };
  writer.send({ kind: 'status', status: { ...status, isWritable: false } });
  writer.send({ kind: 'status', status: { ...status, isWritable: true } });
  await until(() => usable.length === 3);
  expect(usable).toEqual([true, false, true]);
  expect(reader.facts.rebuilds).toBe(0);
});

test('a reader has its log compared although nobody reads it', async () => {
  await using shared = await share();
  const { reader } = await shared.openReader();
  await until(() => !reader.isDoubted, 5_000);
  shared.log.doubt();
  expect(reader.isDoubted).toBe(true);
  await until(() => !reader.isDoubted, 5_000);
});

test('a reader forgets what it had copied of commits that are erased', async () => {
  await using shared = await share();
  const { log } = shared;
  const { reader } = await shared.openReader();
  const { reads } = createReplicaStore(reader);
  const erasedVersions = async (): Promise<number[]> => {
    const { pages } = await reads.readStream({ ...wholeStream, stream: 'b' as StreamName }, call());
    const found: number[] = [];
    for await (const { runs } of pages)
      for (const { events } of runs)
        for (const event of CommitRecord.decode(events).events)
          if (event.erased) found.push(Number(event.version));
    return found;
  };
  // It copies what is new into its memory.
  for (let i = 0; i < 4; i++) log.appendEvents(2, 'b');
  expect(await erasedVersions()).toEqual([]);
  expect(reader.files.segments.cursorInMemory(reader.applied - 1n)).toBeDefined();
  for (const from of [1n, 5n]) {
    const [fromVersion, toVersion] = [version(from), version(from + 1n)];
    log.control('b', { kind: 'erase', fromVersion, toVersion, reason: 'asked for' });
  }
  expect(await erasedVersions()).toEqual([1, 2, 5, 6]);
});
