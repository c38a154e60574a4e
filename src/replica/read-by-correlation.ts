import type { CallContext, CorrelationQuery, CorrelationRead, EventRun, Page } from '../store/event-store';
import { position } from '../store/values';
import { fetchRecords } from './fetch';
import { hashOf } from '../store/hash';
import { take } from './take';
import type { Replica, OpenFiles } from './replica';
import { select } from './select';

/** Commits looked at together. */
const commitsMax = 64;

/** All events with a correlation id, in position order. */
export async function readByCorrelation(
  replica: Replica,
  query: CorrelationQuery,
  call: CallContext,
): Promise<CorrelationRead> {
  const through = await replica.reach('leader', call);
  const { faults } = replica;
  if (faults.isCut && !query.skipUnreadable) throw faults.missing();
  return { position: position(through), pages: pages(replica.files, query, through, call) };
}

async function* pages(
  files: OpenFiles,
  query: CorrelationQuery,
  through: bigint,
  call: CallContext,
): AsyncGenerator<Page, void> {
  const hash = hashOf(query.correlationId);
  let left = query.maxCount;
  for (let after = 0n; ;) {
    call.signal.throwIfAborted();
    const found = take(files.index.places('correlation', hash, after), commitsMax);
    const within = found.filter(({ sequence }) => sequence <= through);
    const runs: EventRun[] = [];
    const records = await fetchRecords(files, within);
    for (const record of records) {
      const run = select(record, { ...query, countMax: left });
      if (run === undefined) continue;
      runs.push(run);
      if (left !== undefined) left -= BigInt(run.eventCount);
      if (left !== 0n) continue;
      yield { runs, end: 'maxCount' };
      return;
    }
    const isLast = within.length < commitsMax;
    if (isLast || runs.length > 0) yield { runs, end: isLast ? 'complete' : undefined };
    if (isLast) return;
    after = within.at(-1)?.sequence ?? through;
  }
}
