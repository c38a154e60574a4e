import type {
  CallContext,
  CorrelationQuery,
  CorrelationRead,
  EventRun,
  Page,
  Pages,
} from '../../store/event-store';
import { hashOf } from '../index/id-hash';
import { patternMatcher } from '../../store/patterns';
import { position } from '../../store/values';
import type { ReplicaFiles } from '../index/replica-files';
import { fetchRecords } from '../segments/fetch-records';
import { nameOf, type StoredRecord } from '../segments/record';
import { clockNanos, hidingAt, selectShown, type Hiding } from './hiding';
import type { ReadableReplica } from './readable-replica';

/** Commits of a page. */
const commitsMax = 64;

/** Reads all events with a correlation id, in the order of their positions. */
export async function readByCorrelation(
  replica: ReadableReplica,
  query: CorrelationQuery,
  call: CallContext,
): Promise<CorrelationRead> {
  const upTo = await replica.catchUp('leader', call);
  const { faults } = replica;
  if (faults.isIncomplete && !query.skipUnreadable) throw faults.incompleteError();
  const reader = new CorrelationReader(replica.files, query, upTo);
  return { position: position(upTo), pages: await pagesOf(reader, call) };
}

/** A read in progress. */
class CorrelationReader {
  private readonly hash: bigint;
  private readonly isVisible: (stream: string) => boolean;
  private readonly hiding: Hiding | undefined;
  private left: bigint | undefined;
  private after = 0n;

  constructor(
    private readonly files: ReplicaFiles,
    private readonly query: CorrelationQuery,
    private readonly upTo: bigint,
  ) {
    this.hash = hashOf(query.correlationId);
    this.left = query.maxCount;
    this.hiding = hidingAt(files, { nowNanos: clockNanos(), upTo });
    this.isVisible = patternMatcher(query.visible ?? ['>']);
  }

  async page(): Promise<Page> {
    const { files, hash, upTo } = this;
    const found = files.index.locations('correlation', hash, this.after, commitsMax);
    const within = found.filter(({ sequence }) => sequence <= upTo);
    const runs = this.select(await fetchRecords(files, within));
    this.after = within.at(-1)?.sequence ?? upTo;
    if (this.left === 0n) return { runs, end: 'maxCount' };
    return { runs, end: within.length < commitsMax ? 'complete' : undefined };
  }

  private select(records: readonly StoredRecord[]): EventRun[] {
    const { correlationId, eventTypes } = this.query;
    const runs: EventRun[] = [];
    for (const record of records) {
      const { left } = this;
      if (!this.isVisible(nameOf(record.bytes, record.header))) continue;
      const run = selectShown(record, { correlationId, eventTypes, countMax: left }, this.hiding);
      if (run === undefined) continue;
      runs.push(run);
      if (left !== undefined) this.left = left - BigInt(run.eventCount);
      if (this.left === 0n) break;
    }
    return runs;
  }
}

/** The only page of a read, or all pages one after the other. */
async function pagesOf(reader: CorrelationReader, call: CallContext): Promise<Pages> {
  const page = await reader.page();
  return page.end === undefined ? pages(reader, call, page) : [page];
}

async function* pages(reader: CorrelationReader, call: CallContext, first: Page): AsyncGenerator<Page, void> {
  let page = first;
  for (;;) {
    if (page.runs.length > 0 || page.end !== undefined) yield page;
    if (page.end !== undefined) return;
    call.signal.throwIfAborted();
    page = await reader.page();
  }
}
