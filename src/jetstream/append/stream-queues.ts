import type { Limits } from '../../limits';
import type { AppendOrder } from '../../store/append-order';
import { CancelledError, DeadlineExceededError, OverloadedError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { StreamName } from '../../store/values';
import { CompactingMap } from '../../collections/compacting-map';

/** An append in the queues of its streams and of its order. */
interface Ticket {
  /** In how many queues another append is before it. */
  behind: number;
  /** Called when it is the first one everywhere. */
  begin: () => void;
}

/** What has a queue: a stream, or an order over several streams. */
type Line = StreamName | AppendOrder;
type Queues = CompactingMap<Line, Ticket[]>;

const nothing = (): void => undefined;

function join(queues: Queues, ticket: Ticket, line: Line): void {
  const queue = queues.get(line);
  if (queue === undefined) queues.set(line, [ticket]);
  else if (queue.push(ticket) > 1) ticket.behind++;
}

/** Removes the first append, which has ended. */
function leave(queues: Queues, line: Line): void {
  const queue = queues.get(line) as Ticket[];
  queue.shift();
  const [first] = queue;
  if (first === undefined) queues.delete(line);
  else if (--first.behind === 0) first.begin();
}

/** Runs the appends to one stream, and those of one order, one after another, and bounds how many wait. */
export class StreamQueues {
  private readonly queues: Queues = new CompactingMap();
  /** Under way. */
  appends = 0;
  /** Of these appends. */
  bytes = 0;
  private whenIdle: (() => void)[] = [];

  constructor(private readonly limits: Limits) {}

  /**
   * Runs an append when all earlier ones to its streams, and those before it in its order, have ended. Fails with OverloadedError
   * at once if too much waits. Not an async function: nearly always no other append is before it, and then this costs next to
   * nothing.
   */
  run<T>(
    streams: readonly StreamName[],
    bytes: number,
    call: CallContext,
    append: () => Promise<T>,
  ): Promise<T> {
    let ticket: Ticket;
    try {
      ticket = this.enter(streams, bytes, call);
    } catch (error) {
      call.orderSlot?.fail();
      const refusal = error as Error;
      return Promise.reject(refusal);
    }
    const running = ticket.behind === 0 ? begin(call, append) : whenFirst(ticket, call, append);
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

  /** Resolves when no append is under way. */
  idle(): Promise<void> {
    return this.appends === 0 ? Promise.resolve() : new Promise((resolve) => this.whenIdle.push(resolve));
  }

  /** Joins all queues at once, so that no two appends wait for each other. */
  private enter(streams: readonly StreamName[], bytes: number, { orderSlot }: CallContext): Ticket {
    this.admit(streams, bytes);
    this.appends++;
    this.bytes += bytes;
    const ticket: Ticket = { behind: 0, begin: nothing };
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
      throw new OverloadedError(
        'streamQueueMax',
        `${length.toString()} appends wait for stream ${stream} already`,
      );
    }
    if (this.appends >= appendsMax) {
      throw new OverloadedError('appendsMax', `${this.appends.toString()} appends are under way already`);
    }
    if (this.appends > 0 && this.bytes + bytes > appendsBytesMax) {
      throw new OverloadedError(
        'appendsBytesMax',
        `${this.bytes.toString()} bytes of appends are under way already`,
      );
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

/** Not an async function, which would keep more objects while the append waits. */
function whenFirst<T>(ticket: Ticket, call: CallContext, append: () => Promise<T>): Promise<T> {
  const waiting = call.trace?.begin('wait for turn');
  return new Promise((resolve, reject) => {
    ticket.begin = () => {
      waiting?.end();
      if (call.signal.aborted) reject(call.signal.reason as Error);
      else begin(call, append).then(resolve, reject);
    };
  });
}

function begin<T>({ deadlineMs, orderSlot }: CallContext, append: () => Promise<T>): Promise<T> {
  if (orderSlot?.isLost === true) {
    const message = 'an append that had to be stored before this one has failed; nothing was stored';
    return Promise.reject(new CancelledError(message));
  }
  return performance.now() > deadlineMs
    ? Promise.reject(new DeadlineExceededError('the append waited too long for those before it'))
    : append();
}
