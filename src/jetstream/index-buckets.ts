import type { CallContext } from '../store/event-store';
import { readBucket, type StoredRecord } from './index-bucket';
import { checkCovers } from './index-chain';
import { bucketByte, distribute, EntryList } from './index-record';
import type { IndexStream } from './index-stream';
import { byDeadline } from './shared';
import { endless } from './store-context';

/** What is known of the index beside the buckets. */
interface Known {
  /** The records that are not known to be merged into buckets, in order. */
  readonly unmerged: readonly StoredRecord[];
  /** How far in the log the index goes. */
  readonly covered: bigint;
}

/** Entries by hash, those that are not in its cells. */
interface Bucket {
  readonly list: EntryList;
  /** All entries up to this position are in the list, or were in the cells before it was loaded. */
  covered: bigint;
  /** Those up to this position were in the cells; 0: there is nothing in them. */
  divided: bigint;
  readonly loading: Promise<void>;
  isLoaded: boolean;
  /** Whether it is known to be of the same index as the rest. */
  isVerified: boolean;
  /** Larger than that of those that were used before. */
  usedAt: number;
}

/** The buckets that were used last, as many as there is room for. */
export class Buckets {
  private readonly all: (Bucket | undefined)[] = [];
  private uses = 0;

  constructor(private readonly index: IndexStream) {}

  /** A bucket with all its entries. It goes on with what comes until it is dropped; what it has stays right. */
  async load(number: number, now: Known, caller: CallContext): Promise<Bucket> {
    const bucket = (this.all[number] ??= this.startLoading(number, now));
    bucket.usedAt = ++this.uses;
    if (!bucket.isLoaded) await byDeadline(bucket.loading, caller);
    return bucket;
  }

  /** Also to those that are being loaded. */
  add(record: StoredRecord): void {
    distribute(record, bucketByte, (bucket) => this.all[bucket]?.list);
    for (const bucket of this.all) if (bucket !== undefined) bucket.covered = record.through;
    this.makeRoom();
  }

  private startLoading(number: number, { unmerged, covered }: Known): Bucket {
    const list = new EntryList();
    const listOf = (bucket: number): EntryList | undefined => (bucket === number ? list : undefined);
    for (const record of unmerged) distribute(record, bucketByte, listOf);
    const merged = unmerged[0]?.after ?? covered;
    const loading = this.read(number, list, merged).then((divided) => {
      bucket.divided = divided;
      bucket.isLoaded = true;
      this.makeRoom();
    });
    const bucket: Bucket = {
      list,
      covered,
      loading,
      divided: 0n,
      isLoaded: false,
      isVerified: false,
      usedAt: 0,
    };
    loading.catch(() => {
      if (this.all[number] === bucket) this.all[number] = undefined;
    });
    return bucket;
  }

  /** All that is merged up to a position; gives how much of it is in the cells. */
  private async read(number: number, list: EntryList, merged: bigint): Promise<bigint> {
    const { records, divided, covered } = await readBucket(this.index, number, endless);
    checkCovers(covered, merged, this.index.subjects.bucket(number));
    for (const record of records) list.addAll(record);
    return divided;
  }

  private makeRoom(): void {
    const loaded = this.all.filter((bucket) => bucket?.isLoaded === true) as Bucket[];
    loaded.sort((one, other) => other.usedAt - one.usedAt);
    let bytes = 0;
    for (const bucket of loaded) {
      bytes += bucket.list.bytes;
      if (bytes > this.index.limits.indexCacheBytesMax) this.all[this.all.indexOf(bucket)] = undefined;
    }
  }
}
