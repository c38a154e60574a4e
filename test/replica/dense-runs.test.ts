import { CommitRecord } from '../../generated/sluice/v1/event';
import { UnreadableCommitError } from '../../src/store/errors';
import type { ReadStreamQuery } from '../../src/store/event-store';
import { version, type StreamName } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { call, open, wholeStream, type Opened } from '../support/opened-replica';
import { randomFrom } from '../support/random';
import { makeReplicaDir } from '../support/replica-dir';

/** Streams whose commits lie close together in some places: these are read without a lookup for each commit. */

const log = new MemoryLog();
for (let i = 0; i < 1_300; i++) log.append('a');
for (let i = 0; i < 700; i++) {
  log.append('a');
  log.append(i % 3 === 0 ? 'ab' : 'b');
}
for (let i = 0; i < 40; i++) log.append('a', 'c');
for (let i = 0; i < 300; i++) log.append(i % 50 === 0 ? 'a' : 'b');
for (let i = 0; i < 700; i++) log.appendEvents(1 + (i % 4), 'a');
/** Streams with an unreadable message after some of 1,112 commits: at the end of a page of the index, in either direction, or not. */
const broken = [512, 600, 700].map((before) => {
  const stream = `d${before}`;
  for (let i = 0; i < before; i++) log.append(stream);
  const { position } = log.damage(stream, 'unreadable', BigInt(before + 1));
  for (let i = 0; i < 1_112 - before; i++) log.append(stream);
  return { before, stream: stream as StreamName, position };
});

/** Its version 700 is lost. */
const cut = 'e' as StreamName;
const stored = Array.from({ length: 1_112 }, () => log.append(cut)[0]);
log.lose(stored[699]?.sequence ?? 0n);

async function readInto(
  found: bigint[],
  { reads }: Opened,
  query: Pick<ReadStreamQuery, 'stream'> & Partial<ReadStreamQuery>,
): Promise<string | undefined> {
  const { pages } = await reads.readStream({ ...wholeStream, ...query }, call());
  for await (const { runs, end } of pages) {
    for (const { events, eventCount } of runs) {
      const decoded = CommitRecord.decode(events).events;
      expect(decoded.every(({ stream }) => stream === query.stream)).toBe(true);
      expect(decoded.length).toBe(eventCount);
      for (const event of decoded) found.push(event.version);
    }
    if (end !== undefined) return end;
  }
  return undefined;
}

const bounds = {
  'in memory': {},
  'on the disk, in many segments': { segmentBytesMax: 100 << 10, tailBytesMax: 0 },
};

describe.each(Object.entries(bounds))('%s', (_name, limits) => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await open(log, makeReplicaDir(), limits, 60_000);
  });
  afterAll(() => opened[Symbol.asyncDispose]());

  test.each(['a', 'b', 'ab', 'c'])('the stream %s is read from any version to any other', async (name) => {
    const stream = name as StreamName;
    const { version: head } = await opened.reads.getVersion(stream, undefined, call());
    const random = randomFrom(Number(process.env['TEST_SEED'] ?? Date.now()));
    const any = (): bigint => 1n + BigInt(Math.floor(random() * Number(head)));
    const ranges = [[1n, head], ...Array.from({ length: 20 }, () => [any(), any()])] as [bigint, bigint][];
    for (const [from, to] of ranges) {
      const found: bigint[] = [];
      const asked = { stream, fromVersion: version(from), toVersion: version(to) };
      expect(await readInto(found, opened, asked)).toBe('complete');
      const wanted = Array.from({ length: Math.max(0, Number(to - from) + 1) }, (_, i) => from + BigInt(i));
      expect(found).toEqual(wanted);
    }
  });

  test.each(broken)(
    'a read fails at an unreadable message after $before others',
    async ({ before, stream, position }) => {
      for (const direction of ['forward', 'backward'] as const) {
        const found: bigint[] = [];
        const read = readInto(found, opened, { stream, direction });
        const error: unknown = await read.catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(UnreadableCommitError);
        expect((error as UnreadableCommitError).position).toBe(position);
        expect(found).toHaveLength(direction === 'forward' ? before : 1_112 - before);
      }
    },
  );

  test('a read ends at a missing version', async () => {
    for (const direction of ['forward', 'backward'] as const) {
      const found: bigint[] = [];
      const read = readInto(found, opened, { stream: cut, direction });
      await expect(read).rejects.toThrow('version 700 is missing');
      expect(found).toHaveLength(direction === 'forward' ? 699 : 412);
    }
  });
});
