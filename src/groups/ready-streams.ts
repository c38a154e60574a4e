import type { StreamName } from '../store/values';
import type { StreamQueue } from './stream-queue';

/** The streams of a lane that have a unit to deliver, first in first out. Those that are blocked are set aside. */
export class ReadyStreams {
  private readonly queues: StreamQueue[] = [];
  /** Blocked streams, each with its queue if it had a unit to deliver. */
  private readonly blocked = new Map<StreamName, StreamQueue | undefined>();

  /** Streams that are not known to be blocked. */
  get size(): number {
    return this.queues.length;
  }

  push(queue: StreamQueue): void {
    if (this.blocked.size > 0 && this.blocked.has(queue.stream)) this.blocked.set(queue.stream, queue);
    else this.queues.push(queue);
  }

  shift(): StreamQueue | undefined {
    for (;;) {
      const queue = this.queues.shift();
      if (queue === undefined || this.blocked.size === 0 || !this.blocked.has(queue.stream)) return queue;
      this.blocked.set(queue.stream, queue);
    }
  }

  isBlocked(stream: StreamName): boolean {
    return this.blocked.has(stream);
  }

  block(stream: StreamName): void {
    this.blocked.set(stream, undefined);
  }

  unblock(stream: StreamName): void {
    const queue = this.blocked.get(stream);
    this.blocked.delete(stream);
    if (queue !== undefined) this.queues.push(queue);
  }
}
