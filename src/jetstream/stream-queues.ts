import type { Limits } from '../limits';
import { DeadlineExceededError, OverloadedError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';

/** Lets the appends of one stream take turns, and bounds what waits. */
export interface StreamQueues {
  /** Runs when all earlier appends to the stream are through. Throws OverloadedError at once if too much waits. */
  run<T>(stream: StreamName, bytes: number, call: CallContext, append: () => Promise<T>): Promise<T>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

interface Queue {
  tail: Promise<unknown>;
  length: number;
}

export function createStreamQueues(limits: Limits): StreamQueues {
  const queues = new Map<StreamName, Queue>();
  let appends = 0;
  let appendsBytes = 0;
  let whenIdle: (() => void)[] = [];

  function admit(queue: Queue | undefined, bytes: number): void {
    if (queue !== undefined && queue.length >= limits.streamQueueMax) {
      throw new OverloadedError(`${queue.length.toString()} appends wait for this stream already`);
    }
    if (appends >= limits.appendsMax) {
      throw new OverloadedError(`${appends.toString()} appends are under way already`);
    }
    if (appends > 0 && appendsBytes + bytes > limits.appendsBytesMax) {
      throw new OverloadedError(`${appendsBytes.toString()} bytes of appends are under way already`);
    }
  }

  return {
    async run(stream, bytes, call, append) {
      let queue = queues.get(stream);
      admit(queue, bytes);
      if (queue === undefined) {
        queue = { tail: Promise.resolve(), length: 0 };
        queues.set(stream, queue);
      }
      appends++;
      appendsBytes += bytes;
      queue.length++;
      const turn = queue.tail.then(() => {
        call.signal.throwIfAborted();
        if (Date.now() > call.deadlineMs)
          throw new DeadlineExceededError('the append waited too long for its turn');
        return append();
      });
      queue.tail = turn.catch(() => undefined);
      try {
        return await turn;
      } finally {
        appends--;
        appendsBytes -= bytes;
        if (--queue.length === 0) queues.delete(stream);
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
