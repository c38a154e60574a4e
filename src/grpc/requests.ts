import type { ServerDuplexStream } from '@grpc/grpc-js';
import { incomingOf } from './request-bytes';

/** The requests of a call that has many. */
export interface Requests {
  /** Gives each request as it comes, then calls `onEnd`. */
  start(onRequest: (bytes: Buffer) => void, onEnd: () => void): void;
  /** A request of this size is no longer held. */
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

/** Sends one response for each request, one after another, and ends the call when the requests end. */
export async function respondToEach(
  call: ServerDuplexStream<Buffer, Uint8Array>,
  respond: (bytes: Buffer) => Uint8Array,
): Promise<void> {
  // A plain loop would destroy the call at the end of the requests, which could then not end with a status.
  for await (const bytes of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const response = respond(bytes);
    incomingOf(call).consumed(bytes.length);
    await new Promise<void>((resolve, reject) => {
      call.once('close', resolve);
      call.write(response, (error: Error | null | undefined) => {
        call.off('close', resolve);
        if (error) reject(error);
        else resolve();
      });
    });
  }
  call.end();
}
