import type {
  AppendMultiResult,
  AppendResult,
  CallContext,
  EventRun,
  EventStore,
  Page,
  Pages,
} from './event-store';
import type { StreamSelection } from './patterns';
import type { Trace } from './trace';

/**
 * The store, which notes in the trace of each call what it is about, and for reads the part that gives the pages. The other parts are
 * noted where they happen. Only for a gateway that collects traces.
 */
export function traced(store: EventStore): EventStore {
  return {
    append(command, call) {
      call.trace?.note({ 'sluice.stream': command.stream, 'sluice.events': command.events.length });
      return store.append(command, call).then((result) => noteResult(result, call));
    },
    appendMulti(command, call) {
      const events = command.appends.reduce((sum, append) => sum + append.events.length, 0);
      call.trace?.note({ 'sluice.streams': command.appends.length, 'sluice.events': events });
      return store.appendMulti(command, call).then((result) => noteResult(result, call));
    },
    async readStream(query, call) {
      call.trace?.note({ 'sluice.stream': query.stream });
      const read = await store.readStream(query, call);
      return { ...read, pages: tracedPages(read.pages, call.trace) };
    },
    control(command, call) {
      call.trace?.note({ 'sluice.stream': command.stream });
      return store.control(command, call);
    },
    getStream(stream, call) {
      call.trace?.note({ 'sluice.stream': stream });
      return store.getStream(stream, call);
    },
    getVersion(stream, asOf, call) {
      call.trace?.note({ 'sluice.stream': stream });
      return store.getVersion(stream, asOf, call);
    },
    getCommit: (query, call) => store.getCommit(query, call),
    async readByCorrelation(query, call) {
      const read = await store.readByCorrelation(query, call);
      return { ...read, pages: tracedPages(read.pages, call.trace) };
    },
    async readAll(query, call) {
      noteSelection(query.filter, call);
      const read = await store.readAll(query, call);
      return { ...read, pages: call.trace === undefined ? read.pages : eachPage(read.pages, call.trace) };
    },
    subscribe(query, call, stop) {
      noteSelection(query.filter, call);
      return store.subscribe(query, call, stop);
    },
    listStreams(query, call) {
      noteSelection(query, call);
      return store.listStreams(query, call);
    },
    info: (call) => store.info(call),
  };
}

function noteResult<Result extends AppendResult | AppendMultiResult>(
  result: Result,
  { trace }: CallContext,
): Result {
  trace?.note({ 'sluice.position': Number(result.position) });
  return result;
}

/** Longer lists of patterns are cut. */
const patternsBytesMax = 256;

function noteSelection({ patterns }: StreamSelection, { trace }: CallContext): void {
  trace?.note({ 'sluice.patterns': patterns.join(' ').slice(0, patternsBytesMax) });
}

function tracedPages(pages: Pages, trace: Trace | undefined): Pages {
  if (trace === undefined) return pages;
  if (Symbol.asyncIterator in pages) return eachPage(pages, trace);
  trace.note({ 'sluice.events': eventsOf(pages.flatMap(({ runs }) => runs)) });
  return pages;
}

function eventsOf(runs: readonly EventRun[]): number {
  return runs.reduce((sum, { eventCount }) => sum + eventCount, 0);
}

/** One part for all pages: a read may have thousands. Its time includes waits for the caller, `sluice.busy_ms` does not. */
async function* eachPage<P extends Page>(pages: AsyncIterable<P>, trace: Trace): AsyncGenerator<P, void> {
  const part = trace.begin('read pages');
  let [count, events, busyMs] = [0, 0, 0];
  let failure: unknown;
  let sinceMs = performance.now();
  try {
    for await (const page of pages) {
      busyMs += performance.now() - sinceMs;
      count++;
      events += eventsOf(page.runs);
      yield page;
      sinceMs = performance.now();
    }
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    part.note({ 'sluice.pages': count, 'sluice.events': events, 'sluice.busy_ms': busyMs });
    part.end(failure);
  }
}
