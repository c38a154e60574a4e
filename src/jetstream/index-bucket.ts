import type { CallContext } from '../store/event-store';
import { BrokenIndexError, coveredBy, isMark } from './index-chain';
import { decodeIndexRecord, type IndexRecord } from './index-record';
import { indexMessages, type IndexStream } from './index-stream';

/** A record as it lies in the index. */
export interface StoredRecord extends IndexRecord {
  readonly sequence: bigint;
}

/** What a bucket has. */
export interface BucketRecords {
  /** Those that are not in its cells, in order. */
  readonly records: readonly StoredRecord[];
  /** What lies in the log up to here is in the cells; 0: there is nothing in them. */
  readonly divided: bigint;
  /** All of the log up to here is in the records or in the cells. */
  readonly covered: bigint;
  /** The sequence of its last message, 0 if there is none. */
  readonly last: bigint;
}

/** While a bucket is divided and read at the same time, there may seem to be a gap. */
const attemptsMax = 3;

/** Throws BrokenIndexError if its records do not follow one another. */
export async function readBucket(
  index: IndexStream,
  bucket: number,
  call: CallContext,
): Promise<BucketRecords> {
  const subject = index.subjects.bucket(bucket);
  for (let attempt = 1; ; attempt++) {
    const all = await readRecords(index, subject, call);
    const marks = all.filter(isMark);
    const divided = marks.reduce((max, { through }) => (through > max ? through : max), 0n);
    const records = all.filter((record) => !isMark(record) && record.through > divided);
    try {
      const covered = coveredBy(records, divided, subject);
      return { records, divided, covered, last: all.at(-1)?.sequence ?? 0n };
    } catch (error) {
      if (!(error instanceof BrokenIndexError) || attempt === attemptsMax) throw error;
    }
  }
}

/** All that is on a subject of the index, from a sequence on, in order. */
export async function readRecords(
  index: IndexStream,
  subject: string,
  call: CallContext,
  from = 1n,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const { body, sequence } of indexMessages(index, subject, call, from))
    records.push({ ...decodeIndexRecord(body), sequence });
  return records;
}
