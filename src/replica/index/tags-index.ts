import type { Database, RangeOptions } from 'lmdb';
import { position } from '../../store/values';
import { hashKey, sequenceOfHashKey, toLocation } from './index-keys';
import { tagKey, tagRange, toPosting, type Posting, type TagKey } from './tag-keys';

type Table = Database<Buffer, Buffer>;

/** Where to begin among the records with a tag, that position included, and in which direction. */
export interface PostingsFrom {
  readonly position: bigint;
  readonly reverse: boolean;
  /** At most this many. */
  readonly limit: number;
}

/** Finds records by their tags. */
export class TagsIndex {
  constructor(
    private readonly tables: { readonly tags: Table; readonly keys: Table },
    private readonly checkOpen: () => void,
  ) {}

  /** The records that may have a tag with this hash, by position. */
  postings(hash: bigint, { position: from, reverse, limit }: PostingsFrom): Posting[] {
    const range = { ...tagRange(hash, from, reverse), limit };
    return Array.from(this.range(this.tables.tags, range), ({ key, value }) => toPosting(key, value));
  }

  /** The records that are not commits, by position. */
  damaged({ position: from, reverse, limit }: PostingsFrom): Posting[] {
    const bound = (sequence: bigint): Buffer => hashKey({ kind: 'damage', hash: 0n, sequence });
    const range = { start: bound(from), end: bound(reverse ? 0n : 2n ** 64n - 1n), reverse, limit };
    return Array.from(this.range(this.tables.keys, range), ({ key, value }) => {
      const sequence = sequenceOfHashKey(key);
      return { location: toLocation(value), position: position(sequence), sequence };
    });
  }

  /** Whether the record at a place has a tag. */
  has(key: TagKey): boolean {
    this.checkOpen();
    return this.tables.tags.doesExist(tagKey(key));
  }

  /** Checks all entries. Throws DamagedReplicaError. */
  checkEntries(): void {
    for (const { key, value } of this.range(this.tables.tags, {})) toPosting(key, value);
  }

  private range(
    table: Table,
    options: RangeOptions,
  ): Iterable<{ readonly key: Buffer; readonly value: Buffer }> {
    this.checkOpen();
    return table.getRange(options);
  }
}
