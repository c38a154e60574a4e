import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { highwayHash } from './highway-hash';

/**
 * The files in which nats-server stores a JetStream stream. The server must not run. A record is its length, sequence, time, the
 * length of its subject, then subject, headers, body and a checksum (server/filestore.go).
 */
const headerBytes = 22;
const checksumBytes = 8;
const timeAt = 12;
const subjectLengthAt = 20;
const hasHeaders = 0x8000_0000;

/** The files of the blocks of a stream, by number. */
function blocksOf(dataDir: string, stream: string): { folder: string; numbers: number[] } {
  const folder = join(dataDir, 'jetstream', '$G', 'streams', stream, 'msgs');
  const numbers = readdirSync(folder).flatMap(
    (name) => /^(\d+)\.blk$/.exec(name)?.slice(1).map(Number) ?? [],
  );
  return { folder, numbers: numbers.sort((a, b) => a - b) };
}

/** Removes the first block of a stream. */
export function loseFirstBlock(dataDir: string, stream: string): void {
  const { folder, numbers } = blocksOf(dataDir, stream);
  if (numbers.length < 2) throw new Error('the stream has one block only');
  rmSync(join(folder, `${String(numbers[0])}.blk`));
  rmSync(join(folder, 'index.db'), { force: true });
}

/** Changes the time of each message of a stream, in nanoseconds, by its sequence. */
export function changeTimes(dataDir: string, stream: string, timeOf: (sequence: bigint) => bigint): void {
  const { folder, numbers } = blocksOf(dataDir, stream);
  for (const number of numbers) {
    const file = join(folder, `${number.toString()}.blk`);
    const key = createHash('sha256').update(`${stream}-${number.toString()}`).digest();
    const bytes = readFileSync(file);
    for (let start = 0; start < bytes.length;) start += changeTime(bytes.subarray(start), key, timeOf);
    writeFileSync(file, bytes);
  }
  // It is made again from the blocks.
  rmSync(join(folder, 'index.db'), { force: true });
}

/** The length of the first record. Throws if its checksum is not the expected one. */
function changeTime(bytes: Buffer, key: Buffer, timeOf: (sequence: bigint) => bigint): number {
  const length = (bytes.readUInt32LE(0) & ~hasHeaders) >>> 0;
  const checksumAt = length - checksumBytes;
  if (bytes.readBigUInt64LE(checksumAt) !== checksum(bytes, key, checksumAt))
    throw new Error('this is not how nats-server keeps a message');
  bytes.writeBigInt64LE(timeOf(bytes.readBigUInt64LE(4)), timeAt);
  bytes.writeBigUInt64LE(checksum(bytes, key, checksumAt), checksumAt);
  return length;
}

function checksum(bytes: Buffer, key: Buffer, end: number): bigint {
  const subjectEnd = headerBytes + bytes.readUInt16LE(subjectLengthAt);
  const skipped = (bytes.readUInt32LE(0) & hasHeaders) === 0 ? 0 : 4; // the length of the headers
  const covered = [
    bytes.subarray(4, subjectLengthAt),
    bytes.subarray(headerBytes, subjectEnd),
    bytes.subarray(subjectEnd + skipped, end),
  ];
  return highwayHash(key, Buffer.concat(covered));
}
