import type { ChannelInterface, StatusObject } from '@grpc/grpc-js';

/**
 * A call of a grpc-js channel. The `Client` of grpc-js would wrap it in an emitter or a stream, interceptors and a stack trace,
 * which are not needed here and are a fifth of the cost of a call.
 */
export type GrpcCall = ReturnType<ChannelInterface['createCall']>;

/** When this many messages wait for the consumer, the call is not read further. */
const waitingMax = 16;

/** The responses of a call that the consumer has not taken yet, still encoded. */
export class Incoming {
  /** How the call ended; undefined: it has not ended. */
  end: StatusObject | undefined;
  private readonly waiting: Buffer[] = [];
  private wake: (() => void) | undefined;

  /** `call` is about to be started with this as its listener. */
  constructor(private readonly call: GrpcCall) {}

  /** The next message; undefined after the last one, when the call has ended. For one consumer at a time. */
  async take(): Promise<Buffer | undefined> {
    while (this.waiting.length === 0 && this.end === undefined)
      await new Promise<void>((resolve) => (this.wake = resolve));
    const wasFull = this.waiting.length === waitingMax;
    const message = this.waiting.shift();
    if (wasFull && this.end === undefined) this.call.startRead();
    return message;
  }

  onReceiveMetadata(): void {
    // Not used.
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
