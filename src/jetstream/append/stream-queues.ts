import type { Limits } from '../../limits';
import type { AppendOrder } from '../../store/append-order';
import { CancelledError, DeadlineExceededError, OverloadedError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { StreamName } from '../../store/values';
import { CompactingMap } from '../../collections/compacting-map';

/** An append that has its place in the queues of its streams. */
interface Ticket {
  /** In so many of them others are before it. */
  behind: number;
  /** Called when nobody is before it any more. */
  begin: () => void;
}

/** What has one queue: a stream, and an order over several. */
type Line = StreamName | AppendOrder;
type Queues = CompactingMap<Line, Ticket[]>;

function join(queues: Queues, ticket: Ticket, line: Line): void {
  const queue = queues.get(line);
  if (queue === undefined) queues.set(line, [ticket]);
  else if (queue.push(ticket) > 1) ticket.behind++;
}

/** Takes out the first one, whose turn is over. */
function leave(queues: Queues, line: Line): void {
  const queue = queues.get(line) as Ticket[];
  queue.shift();
  const [first] = queue;
  if (first === undefined) queues.delete(line);
  else if (--first.behind === 0) first.begin();
}

/** Lets the appends of one stream, and those of one order, take turns, and bounds what waits. */
export class StreamQueues {
  private readonly queues: Queues = new CompactingMap();
  private appends = 0;
  private bytes = 0;
  private whenIdle: (() => void)[] = [];

  constructor(private readonly limits: Limits) {}

  /**
   * Runs when all earlier appends to the streams, and those before it in its order, are through. Fails with OverloadedError at
   * once if too much waits. `meanwhile` is called if it has to wait. Not an async function: nearly always there is nobody before
   * it, and then it takes no more than it must.
   */
  run<T>(
    streams: readonly StreamName[],
    bytes: number,
    call: CallContext,
    append: () => Promise<T>,
    meanwhile?: () => void,
  ): Promise<T> {
    let ticket: Ticket;
    try {
      ticket = this.enter(streams, bytes, call);
    } catch (error) {
      call.orderSlot?.fail();
      const refusal = error as Error;
      return Promise.reject(refusal);
    }
    if (ticket.behind > 0) meanwhile?.();
    const running = ticket.behind === 0 ? begin(call, append) : inTurn(ticket, call, append);
    return running.then(
      (result) => {
        this.exit(streams, bytes, call);
        return result;
      },
      (error: unknown) => {
        call.orderSlot?.fail();
        this.exit(streams, bytes, call);
        throw error;
      },
    );
  }

  /** Whether something is under way. */
  get isBusy(): boolean {
    return this.appends > 0;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.appends === 0 ? Promise.resolve() : new Promise((resolve) => this.whenIdle.push(resolve));
  }

  /** Takes its place in the queues of all streams at once, so that no two wait for each other. */
  private enter(streams: readonly StreamName[], bytes: number, { orderSlot }: CallContext): Ticket {
    this.admit(streams, bytes);
    this.appends++;
    this.bytes += bytes;
    const ticket: Ticket = { behind: 0, begin: () => undefined };
    for (const stream of streams) join(this.queues, ticket, stream);
    if (orderSlot !== undefined) join(this.queues, ticket, orderSlot.order);
    return ticket;
  }

  /** Throws OverloadedError. */
  private admit(streams: readonly StreamName[], bytes: number): void {
    const { appendsMax, appendsBytesMax, streamQueueMax } = this.limits;
    for (const stream of streams) {
      const length = this.queues.get(stream)?.length ?? 0;
      if (length < streamQueueMax) continue;
      throw new OverloadedError(`${length.toString()} appends wait for stream ${stream} already`);
    }
    if (this.appends >= appendsMax) {
      throw new OverloadedError(`${this.appends.toString()} appends are under way already`);
    }
    if (this.appends > 0 && this.bytes + bytes > appendsBytesMax) {
      throw new OverloadedError(`${this.bytes.toString()} bytes of appends are under way already`);
    }
  }

  private exit(streams: readonly StreamName[], bytes: number, { orderSlot }: CallContext): void {
    for (const stream of streams) leave(this.queues, stream);
    if (orderSlot !== undefined) leave(this.queues, orderSlot.order);
    this.appends--;
    this.bytes -= bytes;
    if (this.appends > 0) return;
    for (const resolve of this.whenIdle) resolve();
    this.whenIdle = [];
  }
}

async function inTurn<T>(ticket: Ticket, call: CallContext, append: () => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => (ticket.begin = resolve));
  call.signal.throwIfAborted();
  return begin(call, append);
}

function begin<T>({ deadlineMs, orderSlot }: CallContext, append: () => Promise<T>): Promise<T> {
  if (orderSlot?.isLost === true) {
    const message = 'an append that had to be stored before this one has failed; nothing was stored';
    return Promise.reject(new CancelledError(message));
  }
  return Date.now() > deadlineMs
    ? Promise.reject(new DeadlineExceededError('the append waited too long for its turn'))
    : append();
}
