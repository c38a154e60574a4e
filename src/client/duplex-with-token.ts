import type { Metadata } from '@grpc/grpc-js';
import type { Duplex, DuplexEnd, DuplexListener } from './calls';
import { malformed } from './failure';
import { toError } from './to-error';
import type { TokenSource, Wait } from './token';

/** Makes the call with the metadata of a token. */
export type Send = (metadata: Metadata, listener: DuplexListener) => Duplex;

/** A call with many requests that waits for a token, and is made again, once, if the token is refused before any response. */
export class DuplexWithToken implements Duplex {
  readonly ended: Promise<void>;
  private call: Duplex | undefined;
  /** All requests so far, while the call may be made again. */
  private requests: Uint8Array[] | undefined = [];
  private isComplete = false;
  private onEnded: () => void = () => undefined;

  constructor(
    private readonly listener: DuplexListener,
    private readonly tokens: TokenSource,
    private readonly wait: Wait,
    private readonly send: Send,
  ) {
    this.ended = new Promise((resolve) => (this.onEnded = resolve));
    void this.begin(true);
  }

  write(bytes: Uint8Array): boolean {
    this.requests?.push(bytes);
    return this.call?.write(bytes) ?? false;
  }

  end(): void {
    this.isComplete = true;
    this.call?.end();
  }

  private async begin(isFirst: boolean): Promise<void> {
    try {
      const metadata = await this.tokens.forCall(this.wait);
      this.call = this.send(metadata, {
        onResponse: (bytes) => {
          this.requests = undefined;
          this.listener.onResponse(bytes);
        },
        onDrain: () => {
          this.listener.onDrain();
        },
        onEnd: (end) => {
          this.onEnd(end, metadata, isFirst);
        },
      });
    } catch (error) {
      const failure = { ...malformed('the call did not begin', error), wasSent: false };
      this.finish({ failure, reason: error as Error });
      return;
    }
    this.repeat(this.call);
  }

  /** Sends what was written before there was a call. */
  private repeat(call: Duplex): void {
    let hasRoom = true;
    for (const bytes of this.requests ?? []) hasRoom = call.write(bytes);
    if (this.isComplete) call.end();
    else if (hasRoom) this.listener.onDrain();
  }

  private onEnd(end: DuplexEnd, metadata: Metadata, isFirst: boolean): void {
    const isRefused = end.reason === undefined && this.tokens.isRefused(toError(end.failure), metadata);
    if (!isRefused || !isFirst || this.requests === undefined) {
      this.finish(end);
      return;
    }
    this.call = undefined;
    void this.begin(false);
  }

  private finish(end: DuplexEnd): void {
    this.requests = undefined;
    this.listener.onEnd(end);
    this.onEnded();
  }
}
