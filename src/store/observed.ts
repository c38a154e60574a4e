import { outcomeOf, type Outcome } from './outcome';
import type { StreamControl } from './stream-rules';
import type {
  AppendMultiCommand,
  EventRun,
  EventStore,
  Page,
  Pages,
  SubscriptionUpdate,
} from './event-store';

export type Method = keyof EventStore;

/** The methods that store something. */
export type AppendMethod = 'append' | 'appendMulti';
/** Those that store nothing: appends are among them if they only validate. */
export type ReadMethod = Exclude<Method, 'control'>;
/** The methods that give events. */
export type EventMethod = 'readStream' | 'readByCorrelation' | 'readAll' | 'subscribe';

/** Learns of every call of a store. It must not throw. */
export interface CallObserver {
  /** An append ended after this time. */
  onAppend(outcome: Outcome, tookMs: number): void;
  /** An append has succeeded, and this is what it has stored. */
  onStored(events: number, bytes: number): void;
  /** An append has succeeded that an earlier call had stored. */
  onReplay(): void;
  /** A control ended, also one that had nothing to change. */
  onControl(kind: StreamControl['kind'], outcome: Outcome): void;
  /** A read ended, with all of its pages, or a subscription. */
  onRead(method: ReadMethod, outcome: Outcome): void;
  /** Events were given to a caller. */
  onEvents(method: EventMethod, events: number, bytes: number): void;
}

/**
 * The store, each call of which is reported: the place for counts, metrics and traces. Every method is listed, so that a new one
 * is observed before it compiles.
 */
export function observed(store: EventStore, observer: CallObserver): EventStore {
  return {
    ...observedAppends(store, observer),
    ...observedReads(store, observer),
    async control(command, call) {
      let outcome: Outcome = 'OK';
      try {
        return await store.control(command, call);
      } catch (error) {
        outcome = outcomeOf(error);
        throw error;
      } finally {
        observer.onControl(command.control.kind, outcome);
      }
    },
  };
}

/** What every result of an append has. */
interface Appended {
  readonly replayed: boolean;
}

function observedAppends(store: EventStore, observer: CallObserver): Pick<EventStore, AppendMethod> {
  // Not an async function, and without the command, since every append runs through it and none may keep its events.
  const end = <Result extends Appended>(
    appending: Promise<Result>,
    beganMs: number,
    events: number,
    bytes: number,
  ): Promise<Result> =>
    appending.then(
      (result) => {
        observer.onAppend('OK', performance.now() - beganMs);
        if (result.replayed) observer.onReplay();
        else observer.onStored(events, bytes);
        return result;
      },
      (error: unknown) => {
        observer.onAppend(outcomeOf(error), performance.now() - beganMs);
        throw error;
      },
    );
  return {
    append(command, call) {
      if (command.validateOnly === true)
        return observedResult('append', store.append(command, call), observer);
      const beganMs = performance.now();
      return end(store.append(command, call), beganMs, command.events.length, command.bytes ?? 0);
    },
    appendMulti(command, call) {
      if (command.validateOnly === true)
        return observedResult('appendMulti', store.appendMulti(command, call), observer);
      const beganMs = performance.now();
      return end(store.appendMulti(command, call), beganMs, eventsOf(command), command.bytes ?? 0);
    },
  };
}

function eventsOf({ appends }: AppendMultiCommand): number {
  return appends.reduce((sum, { events }) => sum + events.length, 0);
}

function observedReads(
  store: EventStore,
  observer: CallObserver,
): Pick<EventStore, Exclude<ReadMethod, AppendMethod>> {
  const answer = <T>(method: ReadMethod, answering: Promise<T>): Promise<T> =>
    observedResult(method, answering, observer);
  const paged = async <P extends Page, R extends { readonly pages: Pages<P> }>(
    method: EventMethod,
    reading: Promise<R>,
  ): Promise<R> => {
    const read = await reading.catch((error: unknown) => {
      observer.onRead(method, outcomeOf(error));
      throw error;
    });
    return { ...read, pages: observedPages(read.pages, method, observer) };
  };
  return {
    readStream: (query, call) => paged('readStream', store.readStream(query, call)),
    readByCorrelation: (query, call) => paged('readByCorrelation', store.readByCorrelation(query, call)),
    readAll: (query, call) => paged('readAll', store.readAll(query, call)),
    getVersion: (stream, asOf, call) => answer('getVersion', store.getVersion(stream, asOf, call)),
    getCommit: (query, call) => answer('getCommit', store.getCommit(query, call)),
    getStream: (stream, call) => answer('getStream', store.getStream(stream, call)),
    info: (call) => answer('info', store.info(call)),
    subscribe: (query, call, stop) => new ObservedUpdates(store.subscribe(query, call, stop), observer),
    listStreams: (query, call) => observedSequence(store.listStreams(query, call), 'listStreams', observer),
  };
}

async function observedResult<T>(
  method: ReadMethod,
  answering: Promise<T>,
  observer: CallObserver,
): Promise<T> {
  try {
    const result = await answering;
    observer.onRead(method, 'OK');
    return result;
  } catch (error) {
    observer.onRead(method, outcomeOf(error));
    throw error;
  }
}

/** Of a read that has them all at once, the end is now. */
function observedPages<P extends Page>(
  pages: Pages<P>,
  method: EventMethod,
  observer: CallObserver,
): Pages<P> {
  if (Symbol.asyncIterator in pages) {
    return observedSequence(pages, method, observer, ({ runs }) => {
      reportRuns(runs, method, observer);
    });
  }
  for (const { runs } of pages) reportRuns(runs, method, observer);
  observer.onRead(method, 'OK');
  return pages;
}

function reportRuns(runs: readonly EventRun[], method: EventMethod, observer: CallObserver): void {
  let [events, bytes] = [0, 0];
  for (const run of runs) {
    events += run.eventCount;
    bytes += run.events.length;
  }
  if (events > 0) observer.onEvents(method, events, bytes);
}

async function* observedSequence<T>(
  sequence: AsyncIterable<T>,
  method: ReadMethod,
  observer: CallObserver,
  onEach: (each: T) => void = () => undefined,
): AsyncGenerator<T, void> {
  // A caller that has enough leaves the loop, and nothing more runs here than `finally`.
  let outcome: Outcome = 'OK';
  try {
    for await (const each of sequence) {
      onEach(each);
      yield each;
    }
  } catch (error) {
    outcome = outcomeOf(error);
    throw error;
  } finally {
    observer.onRead(method, outcome);
  }
}

/** The updates of a subscription. A generator would take several times the memory, and thousands of subscriptions wait at a time. */
class ObservedUpdates implements AsyncIterableIterator<SubscriptionUpdate> {
  private readonly updates: AsyncIterator<SubscriptionUpdate>;
  private isOver = false;

  constructor(
    updates: AsyncIterable<SubscriptionUpdate>,
    private readonly observer: CallObserver,
  ) {
    this.updates = updates[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<SubscriptionUpdate>> {
    return this.updates.next().then(this.onNext, this.onError);
  }

  /** The caller has enough. */
  async return(): Promise<IteratorResult<SubscriptionUpdate>> {
    await this.updates.return?.();
    this.end('OK');
    return { done: true, value: undefined };
  }

  private readonly onNext = (result: IteratorResult<SubscriptionUpdate>): typeof result => {
    if (result.done === true) this.end('OK');
    else if (result.value.kind === 'events') reportRuns(result.value.runs, 'subscribe', this.observer);
    return result;
  };

  private readonly onError = (error: unknown): never => {
    this.end(outcomeOf(error));
    throw error;
  };

  private end(outcome: Outcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.observer.onRead('subscribe', outcome);
  }
}
