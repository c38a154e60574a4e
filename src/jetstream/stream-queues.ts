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

  /** Takes its place in the queues of all streams at once, so that no two wait for each other. */
  function enter(streams: readonly StreamName[], bytes: number, { connection }: CallContext): Ticket {
    shares.admit(connection, bytes);
    admit(streams, bytes);
    shares.take(connection, bytes);
    appends++;
    appendsBytes += bytes;
    const ticket: Ticket = { behind: 0, begin: () => undefined };
    for (const stream of streams) join(queues, ticket, stream);
    return ticket;
  }

  function exit(streams: readonly StreamName[], bytes: number, { connection }: CallContext): void {
    for (const stream of streams) leave(queues, stream);
    shares.giveBack(connection, bytes);
    appends--;
    appendsBytes -= bytes;
    if (appends > 0) return;
    for (const resolve of whenIdle) resolve();
    whenIdle = [];
  }

  return {
    // Not an async function: nearly always there is nobody before it, and then it takes no more than it must.
    run(streams, bytes, call, append) {
      let ticket: Ticket;
      try {
        ticket = enter(streams, bytes, call);
      } catch (error) {
        const refusal = error as Error;
        return Promise.reject(refusal);
      }
      const running = ticket.behind === 0 ? begin(call, append) : inTurn(ticket, call, append);
      return running.then(
        (result) => {
          exit(streams, bytes, call);
          return result;
        },
        (error: unknown) => {
          exit(streams, bytes, call);
          throw error;
        },
      );
    },
    idle() {
      return appends === 0 ? Promise.resolve() : new Promise((resolve) => whenIdle.push(resolve));
    },
  };
}

async function inTurn<T>(ticket: Ticket, call: CallContext, append: () => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => (ticket.begin = resolve));
  call.signal.throwIfAborted();
  return begin(call, append);
}

function begin<T>({ deadlineMs }: CallContext, append: () => Promise<T>): Promise<T> {
  return Date.now() > deadlineMs
    ? Promise.reject(new DeadlineExceededError('the append waited too long for its turn'))
    : append();
}
