import { isStoreError, type StoreError } from './errors';
import type { EventStore } from './event-store';

export type Method = keyof EventStore;

/** How a call ended. `ERROR`: with an error that is no StoreError, which is a bug. */
export type Outcome = 'OK' | StoreError['code'] | 'ERROR';

/** Learns of every call of a store. */
export interface CallObserver {
  /** A call ended after this time. A read ends with its first answer, a call that gives a sequence with the end of that. */
  onEnd(method: Method, outcome: Outcome, tookMs: number): void;
}

/**
 * The store, each call of which is reported: the place for counts, metrics and traces. Every method is listed, so that a new one
 * is observed before it compiles.
 */
export function observed(store: EventStore, observer: CallObserver): EventStore {
  const begin = (method: Method): ((outcome: Outcome) => void) => {
    const beganMs = performance.now();
    return (outcome) => {
      observer.onEnd(method, outcome, performance.now() - beganMs);
    };
  };
  const answer = async <T>(method: Method, call: () => Promise<T>): Promise<T> => {
    const end = begin(method);
    try {
      const result = await call();
      end('OK');
      return result;
    } catch (error) {
      end(outcomeOf(error));
      throw error;
    }
  };
  async function* sequence<T>(method: Method, call: () => AsyncIterable<T>): AsyncGenerator<T, void> {
    const end = begin(method);
    // A caller that has enough leaves the loop, and nothing more runs here than `finally`.
    let outcome: Outcome = 'OK';
    try {
      yield* call();
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      end(outcome);
    }
  }
  return {
    append: (command, call) => answer('append', () => store.append(command, call)),
    appendMulti: (command, call) => answer('appendMulti', () => store.appendMulti(command, call)),
    readStream: (query, call) => answer('readStream', () => store.readStream(query, call)),
    getVersion: (stream, asOf, call) => answer('getVersion', () => store.getVersion(stream, asOf, call)),
    readByCorrelation: (query, call) =>
      answer('readByCorrelation', () => store.readByCorrelation(query, call)),
    readAll: (query, call) => answer('readAll', () => store.readAll(query, call)),
    subscribe: (query, call, stop) => sequence('subscribe', () => store.subscribe(query, call, stop)),
    listStreams: (query, call) => sequence('listStreams', () => store.listStreams(query, call)),
    info: (call) => answer('info', () => store.info(call)),
  };
}

function outcomeOf(error: unknown): Outcome {
  return isStoreError(error) ? error.code : 'ERROR';
}

/** The calls of one method that ended alike. */
export interface CallCount {
  readonly calls: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/** Counts calls by method and outcome. */
export class CallCounts implements CallObserver {
  private readonly counts = new Map<string, { calls: number; totalMs: number; maxMs: number }>();

  onEnd(method: Method, outcome: Outcome, tookMs: number): void {
    const key = `${method} ${outcome}`;
    const count = this.counts.get(key) ?? { calls: 0, totalMs: 0, maxMs: 0 };
    count.calls++;
    count.totalMs += tookMs;
    count.maxMs = Math.max(count.maxMs, tookMs);
    this.counts.set(key, count);
  }

  /** By method and outcome, such as `append VERSION_CONFLICT`. */
  summary(): Readonly<Record<string, CallCount>> {
    const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;
    return Object.fromEntries(
      [...this.counts].map(([key, { calls, totalMs, maxMs }]) => [
        key,
        { calls, meanMs: rounded(totalMs / calls), maxMs: rounded(maxMs) },
      ]),
    );
  }
}
