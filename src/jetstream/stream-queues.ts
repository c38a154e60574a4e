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

/** An append that has its place in the queues of its streams. */
interface Ticket {
  /** In so many of them others are before it. */
  behind: number;
  /** Called when nobody is before it any more. */
  begin: () => void;
}

type Queues = Map<StreamName, Ticket[]>;

function join(queues: Queues, ticket: Ticket, stream: StreamName): void {
  const queue = queues.get(stream);
  if (queue === undefined) queues.set(stream, [ticket]);
  else if (queue.push(ticket) > 1) ticket.behind++;
}

/** Takes out the first one, whose turn is over. */
function leave(queues: Queues, stream: StreamName): void {
  const queue = queues.get(stream) as Ticket[];
  queue.shift();
  const [first] = queue;
  if (first === undefined) queues.delete(stream);
  else if (--first.behind === 0) first.begin();
}

export function createStreamQueues(limits: Limits): StreamQueues {
  const queues: Queues = new Map();
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

  return {
    async run(streams, bytes, call, append) {
      shares.admit(call.connection, bytes);
      admit(streams, bytes);
      shares.take(call.connection, bytes);
      appends++;
      appendsBytes += bytes;
      const ticket: Ticket = { behind: 0, begin: () => undefined };
      // All at once, so that no two wait for each other.
      for (const stream of streams) join(queues, ticket, stream);
      try {
        if (ticket.behind > 0) {
          await new Promise<void>((resolve) => (ticket.begin = resolve));
          call.signal.throwIfAborted();
        }
        if (Date.now() > call.deadlineMs)
          throw new DeadlineExceededError('the append waited too long for its turn');
        return await append();
      } finally {
        for (const stream of streams) leave(queues, stream);
        shares.giveBack(call.connection, bytes);
        appends--;
        appendsBytes -= bytes;
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
