import { status, type ChannelInterface, type StatusObject } from '@grpc/grpc-js';

/**
 * A call of a grpc-js channel. The `Client` of grpc-js would wrap it in an emitter or a stream, interceptors and a stack trace,
 * which are not needed here and are a fifth of the cost of a call.
 */
export type GrpcCall = ReturnType<ChannelInterface['createCall']>;

/** When this many messages wait for the consumer, the call is not read further. */
const waitingMax = 16;
/** How often it is checked whether a call is silent. */
const checksPerSilence = 4;

/** The responses of a call that the consumer has not taken yet, still encoded. */
export class Incoming {
  /** How the call ended; undefined: it has not ended. */
  end: StatusObject | undefined;
  private readonly waiting: Buffer[] = [];
  private wake: (() => void) | undefined;
  /** Since when the consumer waits; undefined: it does not. */
  private waitsFromMs: number | undefined;

  /** `call` is about to be started with this as its listener. */
  constructor(private readonly call: GrpcCall) {}

  /** The next message; undefined after the last one, when the call has ended. For one consumer at a time. */
  async take(): Promise<Buffer | undefined> {
    while (this.waiting.length === 0 && this.end === undefined) {
      this.waitsFromMs = performance.now();
      await new Promise<void>((resolve) => (this.wake = resolve));
      this.waitsFromMs = undefined;
    }
    const wasFull = this.waiting.length === waitingMax;
    const message = this.waiting.shift();
    if (wasFull && this.end === undefined) this.call.startRead();
    return message;
  }

  /**
   * From now on, calls `onSilence` once and ends the call with UNAVAILABLE when the consumer has waited this long for a message. Time in
   * which messages wait for the consumer does not count. Returns a function that ends the watch.
   */
  watch(silentMsMax: number, onSilence: () => void): () => void {
    const isSilent = (): boolean => performance.now() - (this.waitsFromMs ?? Infinity) > silentMsMax;
    const giveUp = (): void => {
      // What came while this process was busy has been received by now.
      if (!isSilent()) return;
      clearInterval(timer);
      onSilence();
      const message = `nothing has come from the gateway for ${silentMsMax} ms`;
      this.call.cancelWithStatus(status.UNAVAILABLE, message);
    };
    const timer = setInterval(() => {
      if (isSilent()) setImmediate(giveUp);
    }, silentMsMax / checksPerSilence).unref();
    return () => {
      clearInterval(timer);
    };
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
