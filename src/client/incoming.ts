import type { ChannelInterface, StatusObject } from '@grpc/grpc-js';

/**
 * A call as the channel of grpc-js hands it out. The `Client` of grpc-js would put an emitter or a stream, interceptors and
 * a stack trace around each, which nobody uses here and which are a fifth of what a call costs.
 */
export type GrpcCall = ReturnType<ChannelInterface['createCall']>;

/** At most this many messages wait to be taken; then no more are asked for. */
const waitingMax = 16;

/** What a call with many responses has brought, still encoded. */
export class Incoming {
  /** How the call ended; undefined: it goes on. */
  end: StatusObject | undefined;
  private readonly waiting: Buffer[] = [];
  private wake: (() => void) | undefined;

  /** `call` is about to be started with this as its listener. */
  constructor(private readonly call: GrpcCall) {}

  /** The next message; undefined: the call has ended, and there are no more. For one caller at a time. */
  async take(): Promise<Buffer | undefined> {
    while (this.waiting.length === 0 && this.end === undefined)
      await new Promise<void>((resolve) => (this.wake = resolve));
    const wasFull = this.waiting.length === waitingMax;
    const message = this.waiting.shift();
    if (wasFull && this.end === undefined) this.call.startRead();
    return message;
  }

  onReceiveMetadata(): void {
    // Nobody looks at it.
  }

  onReceiveMessage(message: Buffer): void {
    if (this.waiting.push(message) < waitingMax) this.call.startRead();
    this.wake?.();
  }

  onReceiveStatus(end: StatusObject): void {
    this.end = end;
    this.wake?.();
  }
}
