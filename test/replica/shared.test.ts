import pino from 'pino';
import { defaultLimits } from '../../src/limits';
import { Replica } from '../../src/replica/replica';
import type { FromReader, ReaderLink, ReplicaLink, ToReader } from '../../src/replica/share/messages';
import { Publication } from '../../src/replica/share/publication';
import { MemoryLog } from '../support/memory-log';
import { until } from '../support/nats-server';
import { call } from '../support/opened-replica';
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

test('what the log reports and delivers as lost differs for ever: all readers together rebuild once for it', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 10; i++) log.append('a');
  const options = { folder, log, logger, limits: defaultLimits };
  const publication = new Publication(defaultLimits);
  const written = await Replica.open(options, 2_000, publication);
  const openReader = (): Promise<Replica> => {
    const ends = link();
    const opened = Replica.openShared({ ...options, link: ends.reader }, 2_000);
    publication.add(ends.writer);
    return opened;
  };
  const readers = [await openReader(), await openReader()];
  log.lost = 5n;
  const catchUp = async (reader: Replica): Promise<void> => {
    await until(() => written.isReady && reader.isReady);
    await reader.catchUp('leader', call());
  };
  for (const reader of readers) await catchUp(reader);
  expect(written.facts.rebuilds).toBe(1);
  const late = await openReader();
  for (const reader of [...readers, late]) await catchUp(reader);
  expect(written.facts.rebuilds).toBe(1);
  for (const replica of [...readers, late, written]) await replica.close();
});
