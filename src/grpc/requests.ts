import type { ServerDuplexStream } from '@grpc/grpc-js';
import { incomingOf } from './request-bytes';

/** The requests of a call that has many. */
export interface Requests {
  /** Gives each request as it came, then calls `onEnd`. */
  start(onRequest: (bytes: Buffer) => void, onEnd: () => void): void;
  /** One of so many bytes has been dealt with. */
  done(bytes: number): void;
  /** No more for now: what comes stays with the caller. */
  pause(): void;
  resume(): void;
}

export function requestsOf(call: ServerDuplexStream<Buffer, Buffer>): Requests {
  return {
    start(onRequest, onEnd) {
      call.on('data', onRequest);
      call.on('end', onEnd);
    },
    done(bytes) {
      incomingOf(call).consumed(bytes);
    },
    pause: () => call.pause(),
    resume: () => call.resume(),
  };
}
