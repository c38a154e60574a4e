import type {
  CallContext,
  CorrelationQuery,
  CorrelationRead,
  EventRun,
  Page,
  Pages,
} from '../../store/event-store';
import { position } from '../../store/values';
import { fetchRecords } from '../segments/fetch-records';
import { hashOf } from '../../store/hash';
import type { ReadableReplica } from './readable-replica';
import type { ReplicaFiles } from '../index/replica-files';
import { select } from './select';
import type { StoredRecord } from '../segments/record';

/** Commits looked at together. */
const commitsMax = 64;

/** All events with a correlation id, in position order. */
export async function readByCorrelation(
  replica: ReadableReplica,
  query: CorrelationQuery,
  call: CallContext,
): Promise<CorrelationRead> {
  const through = await replica.catchUp('leader', call);
  const { faults } = replica;
  if (faults.isIncomplete && !query.skipUnreadable) throw faults.incompleteError();
  return {
    position: position(through),
    pages: await pagesOf(new Reading(replica.files, query, through), call),
  };
}

/** A read under way. */
class Reading {
  private readonly hash: bigint;
  private left: bigint | undefined;
  private after = 0n;

  constructor(
    private readonly files: ReplicaFiles,
    private readonly query: CorrelationQuery,
    private readonly through: bigint,
  ) {
    this.hash = hashOf(query.correlationId);
    this.left = query.maxCount;
  }

  async page(): Promise<Page> {
    const { files, hash, through } = this;
    const found = files.index.locations('correlation', hash, this.after, commitsMax);
    const within = found.filter(({ sequence }) => sequence <= through);
    const runs = this.select(await fetchRecords(files, within));
    this.after = within.at(-1)?.sequence ?? through;
    if (this.left === 0n) return { runs, end: 'maxCount' };
    return { runs, end: within.length < commitsMax ? 'complete' : undefined };
  }

  private select(records: readonly StoredRecord[]): EventRun[] {
    const { correlationId, eventTypes } = this.query;
    const runs: EventRun[] = [];
    for (const record of records) {
      const { left } = this;
      const run = select(record, { correlationId, eventTypes, countMax: left });
      if (run === undefined) continue;
      runs.push(run);
      if (left !== undefined) this.left = left - BigInt(run.eventCount);
      if (this.left === 0n) break;
    }
    return runs;
  }
}

/** The only page of a read, or all of them one after the other. */
async function pagesOf(reading: Reading, call: CallContext): Promise<Pages> {
  const page = await reading.page();
  return page.end === undefined ? pages(reading, call, page) : [page];
}

async function* pages(reading: Reading, call: CallContext, first: Page): AsyncGenerator<Page, void> {
  let page = first;
  for (;;) {
    if (page.runs.length > 0 || page.end !== undefined) yield page;
    if (page.end !== undefined) return;
    call.signal.throwIfAborted();
    page = await reading.page();
  }
}
