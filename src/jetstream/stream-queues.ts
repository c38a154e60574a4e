import type { Limits } from '../limits';
import { DeadlineExceededError, OverloadedError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import { createConnectionShares } from './connection-shares';

/** Lets the appends of one stream take turns, and bounds what waits. */
export interface StreamQueues {
  /** Runs when all earlier appends to the streams are through. Throws OverloadedError at once if too much waits. */
  run<T>(
    streams: readonly StreamName[],
    bytes: number,
    call: CallContext,
    append: () => Promise<T>,
  ): Promise<T>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

interface Queue {
  tail: Promise<unknown>;
  length: number;
}

export function createStreamQueues(limits: Limits): StreamQueues {
  const queues = new Map<StreamName, Queue>();
  const shares = createConnectionShares(limits);
  let appends = 0;
  let appendsBytes = 0;
  let whenIdle: (() => void)[] = [];

  function admit(streams: readonly StreamName[], bytes: number): void {
    for (const stream of streams) {
      const length = queues.get(stream)?.length ?? 0;
      if (length < limits.streamQueueMax) continue;
      throw new OverloadedError(`${length.toString()} appends wait for stream ${stream} already`);
    }
    if (appends >= limits.appendsMax) {
      throw new OverloadedError(`${appends.toString()} appends are under way already`);
    }
    if (appends > 0 && appendsBytes + bytes > limits.appendsBytesMax) {
      throw new OverloadedError(`${appendsBytes.toString()} bytes of appends are under way already`);
    }
  }

  function join(stream: StreamName): Queue {
    const queue = queues.get(stream) ?? { tail: Promise.resolve(), length: 0 };
    queues.set(stream, queue);
    queue.length++;
    return queue;
  }

  return {
    async run(streams, bytes, call, append) {
      shares.admit(call.connection, bytes);
      admit(streams, bytes);
      const giveBack = shares.take(call.connection, bytes);
      appends++;
      appendsBytes += bytes;
      // All at once, so that no two wait for each other.
      const joined = streams.map((stream) => join(stream));
      const [first, ...others] = joined.map(({ tail }) => tail);
      const before = others.length === 0 ? first : Promise.all([first, ...others]);
      const turn = (before ?? Promise.resolve()).then(() => {
        call.signal.throwIfAborted();
        if (Date.now() > call.deadlineMs)
          throw new DeadlineExceededError('the append waited too long for its turn');
        return append();
      });
      const over = turn.catch(() => undefined);
      for (const queue of joined) queue.tail = over;
      try {
        return await turn;
      } finally {
        giveBack();
        appends--;
        appendsBytes -= bytes;
        for (const [index, queue] of joined.entries())
          if (--queue.length === 0) queues.delete(streams[index] as StreamName);
        if (appends === 0) {
          for (const resolve of whenIdle) resolve();
          whenIdle = [];
        }
      }
    },
    idle() {
      return appends === 0 ? Promise.resolve() : new Promise((resolve) => whenIdle.push(resolve));
    },
  };
}
