import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { isDamagedReplica } from '../../src/replica/segments/damage';
import { readHeader } from '../../src/replica/segments/record';
import { IndexEntries } from '../../src/replica/index/index-entries';
import { ReplicaIndex } from '../../src/replica/index/replica-index';
import { ReplicaFault, verifyReplica } from '../../src/replica/offline';
import { hashKey } from '../../src/replica/index/index-keys';
import { hashOf } from '../../src/replica/index/id-hash';
import { StoreUnavailableError } from '../../src/store/errors';
import type { StreamName } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { call, eventsOf, open, storedIn, type Opened } from '../support/opened-replica';
import { until } from '../support/nats-server';
import { randomFrom } from '../support/random';
import { makeReplicaDir } from '../support/replica-dir';

/** Damaged files: nothing from them is served, and the replica is rebuilt from the log. */

/** Several segments; none of their records stays in memory. */
const limits = { segmentBytesMax: 64 << 10, tailBytesMax: 0 };

let log: MemoryLog;
/** A closed replica; tests use copies of it. */
let written: string;
beforeAll(async () => {
  log = new MemoryLog();
  for (let i = 0; i < 5_000; i++) {
    if (i % 500 === 7) log.append('x', 'y');
    else if (i === 1_000) log.damage('b');
    else log.append(`a.${i % 7}`);
  }
  written = makeReplicaDir();
  await (await open(log, written, limits, 60_000))[Symbol.asyncDispose]();
  expect(segmentsIn(written).length).toBeGreaterThan(2);
});

function segmentsIn(folder: string): string[] {
  return readdirSync(join(folder, 'segments'))
    .sort()
    .map((name) => join(folder, 'segments', name));
}

function copy(): string {
  const folder = makeReplicaDir();
  cpSync(written, folder, { recursive: true });
  return folder;
}

/** Reads all events until the read succeeds; a read before that fails, and never returns wrong events. */
async function expectRebuilt(opened: Opened): Promise<void> {
  const skipUnreadable = true;
  await until(() =>
    eventsOf(opened, { skipUnreadable }).then(
      (found) => {
        expect(found).toEqual(storedIn(log));
        return true;
      },
      (error: unknown) => {
        expect(['STORE_UNAVAILABLE', 'REPLICA_FILLING']).toContain((error as { code?: string }).code);
        return false;
      },
    ),
  );
}

function flip(path: string, at: number, bit = 0x10): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ bit;
  writeFileSync(path, bytes);
}

test('a flipped bit anywhere in the segments', async () => {
  const random = randomFrom(Number(process.env['TEST_SEED'] ?? Date.now()));
  for (let i = 0; i < 12; i++) {
    const folder = copy();
    const paths = segmentsIn(folder);
    const path = paths[i % paths.length] as string;
    const at = Math.floor(random() * readFileSync(path).length);
    flip(path, at, 1 << Math.floor(random() * 8));
    await using opened = await open(log, folder, limits, 30_000);
    await expectRebuilt(opened);
    expect(opened.replica.isFilled).toBe(true);
  }
}, 60_000);

/** Where a record in the middle of a file begins. */
function recordStartIn(path: string): number {
  const bytes = readFileSync(path);
  let at = 0;
  while (at < bytes.length / 2) at = readHeader(bytes, at).end;
  return at;
}

test.each([
  [
    'truncated at the beginning of a record',
    (path: string) => {
      truncateSync(path, recordStartIn(path));
    },
  ],
  [
    'empty',
    (path: string) => {
      truncateSync(path, 0);
    },
  ],
  [
    'missing',
    (path: string) => {
      rmSync(path);
    },
  ],
])('a segment in the middle that is %s', async (_name, harm) => {
  const folder = copy();
  harm(segmentsIn(folder)[1] as string);
  await expect(verifyReplica(folder)).rejects.toBeInstanceOf(ReplicaFault);
  await using opened = await open(log, folder, limits, 30_000);
  await expectRebuilt(opened);
});

test('the oldest segments may be missing: their records are read from the log', async () => {
  const folder = copy();
  rmSync(segmentsIn(folder)[0] as string);
  const readsBefore = log.reads;
  await using opened = await open(log, folder, limits, 30_000);
  expect(await eventsOf(opened, { skipUnreadable: true })).toEqual(storedIn(log));
  expect(log.reads).toBeGreaterThan(readsBefore);
  expect(segmentsIn(folder)[0]).not.toMatch(/00000000/);
});

test('a flipped bit in the record of an unreadable message does not prevent the replica from opening', async () => {
  const folder = copy();
  const [path = ''] = segmentsIn(folder);
  flip(path, readFileSync(path).indexOf('it is broken'));
  await using opened = await open(log, folder, limits, 30_000);
  expect(opened.replica.isFilled).toBe(true);
  await expectRebuilt(opened);
});

const indexOf = (folder: string): string => join(folder, 'index', 'data.mdb');

/** Changes every occurrence in the index, also in pages that are not in use any more. */
function changeIndex(folder: string, found: Buffer, change: (bytes: Buffer, at: number) => void): void {
  const bytes = readFileSync(indexOf(folder));
  let count = 0;
  for (let at = bytes.indexOf(found); at >= 0; at = bytes.indexOf(found, at + 1)) {
    change(bytes, at);
    count++;
  }
  expect(count).toBeGreaterThan(0);
  writeFileSync(indexOf(folder), bytes);
}

/** A stream, a version and a sequence, encoded as in the index. */
function keyOf(stream: string): Buffer {
  const head = log.commits.findLast((commit) => commit.stream === stream);
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(head?.lastVersion ?? 0n);
  numbers.writeBigUInt64BE(head?.sequence ?? 0n, 8);
  return Buffer.concat([Buffer.from(`${stream}\0`), numbers]);
}

test.each([
  ['its version', 'a.1\0'.length + 7],
  ['its sequence', 'a.1\0'.length + 15],
  ['its location', 'a.1\0'.length + 16 + 7],
])('a stream whose newest commit has a flipped bit in the index, in %s', async (_name, at) => {
  const folder = copy();
  changeIndex(folder, keyOf('a.1'), (bytes, found) => {
    bytes[found + at] = (bytes[found + at] as number) ^ 0x10;
  });
  await expect(verifyReplica(folder)).rejects.toThrow(/index/);
  await using opened = await open(log, folder, limits, 30_000);
  const stream = 'a.1' as StreamName;
  const expected = log.commits.findLast((commit) => commit.stream === stream)?.lastVersion;
  await until(() =>
    opened.reads.getVersion(stream, undefined, call()).then(
      ({ version }) => {
        expect(version).toBe(expected);
        return true;
      },
      (error: unknown) => {
        expect(['STORE_UNAVAILABLE', 'REPLICA_FILLING']).toContain((error as { code?: string }).code);
        return false;
      },
    ),
  );
  await expectRebuilt(opened);
});

test('a changed state in the index: the replica is rebuilt', async () => {
  const folder = copy();
  changeIndex(folder, Buffer.from('"applied":"'), (bytes, at) => {
    bytes.write('1', at + '"applied":"'.length);
  });
  await expect(verifyReplica(folder)).rejects.toThrow('its state does not have its checksum');
  await using opened = await open(log, folder, limits, 30_000);
  await expectRebuilt(opened);
});

test('verify finds an index without some of its entries', async () => {
  const folder = copy();
  const hash = log.commits[100]?.commitId ?? '';
  expect((await verifyReplica(folder)).records).toBe(storedIn(log).length + 1);
  const sequence = log.commits[100]?.sequence ?? 0n;
  const key = hashKey({ kind: 'commit', hash: hashOf(hash), sequence });
  changeIndex(folder, key, (bytes, at) => {
    bytes[at + 5] = (bytes[at + 5] as number) ^ 1;
  });
  await expect(verifyReplica(folder)).rejects.toThrow(ReplicaFault);
});

test.each([
  ['another format', (state: string) => state.replace('"format":"', '"format":"9')],
  ['a machine of another kind', (state: string) => state.replace('LE"', 'BE"')],
])('%s: verify reports it, and the replica is rebuilt', async (_name, change) => {
  const folder = copy();
  const index = new ReplicaIndex(join(folder, 'index'));
  const [, boot = '', json = ''] = /^\d+ (\S+) (.*)$/.exec(index.state() ?? '') ?? [];
  const changed = change(json);
  expect(changed).not.toBe(json);
  const state = `${crc32(changed).toString()} ${boot} ${changed}`;
  index.putSync({ entries: new IndexEntries(), state });
  await index.close();
  await expect(verifyReplica(folder)).rejects.toThrow(/it has the format \S+ .E; this gateway reads/);
  await using opened = await open(log, folder, limits, 30_000);
  await expectRebuilt(opened);
});

test('LMDB errors of a damaged file are recognised as damage, those of the disk are not', () => {
  const [pageNotFound, corrupted, noSpace, inputOutput] = [-30797, -30796, 28, 5];
  const isDamage = (code: number): boolean => isDamagedReplica(Object.assign(new Error(), { code }));
  expect([pageNotFound, corrupted].map(isDamage)).toEqual([true, true]);
  expect([noSpace, inputOutput].map(isDamage)).toEqual([false, false]);
  expect(isDamagedReplica(undefined)).toBe(false);
});

test('a failed start leaves the replica as it was, also after the machine stopped', async () => {
  const folder = copy();
  // As if written before the last start of the machine.
  changeIndex(
    folder,
    Buffer.from(readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()),
    (bytes, at) => {
      bytes.write('00000000', at);
    },
  );
  const identityAt = log.identityAt.bind(log);
  let failures = 0;
  log.identityAt = (...args) => {
    if (failures++ < 2) return Promise.reject(new StoreUnavailableError('NATS is starting'));
    return identityAt(...args);
  };
  let given = 0;
  log.gate = () => {
    given++;
    return Promise.resolve();
  };
  await using opened = await open(log, folder, limits, 30_000);
  await expectRebuilt(opened);
  expect(failures).toBeGreaterThan(2);
  expect(given).toBe(0);
});
