import type { ServerDuplexStream } from '@grpc/grpc-js';
import { decodeRequest, type MessageType } from './decode';

/** The requests of a call that has many. */
export interface Requests<Request> {
  /**
   * Gives each request with the bytes that it had, then calls `onEnd`: without an error after the last request, with one
   * after a request that cannot be decoded.
   */
  start(onRequest: (request: Request, bytes: number) => void, onEnd: (error?: Error) => void): void;
  /** No more for now: what comes stays with the caller. */
  pause(): void;
  resume(): void;
}

export function requestsOf<Request>(
  type: MessageType<Request>,
  call: ServerDuplexStream<Buffer, Buffer>,
): Requests<Request> {
  return {
    start(onRequest, onEnd) {
      let failed = false;
      call.on('data', (bytes: Buffer) => {
        if (failed) return;
        try {
          onRequest(decodeRequest(type, bytes, call.getPath()), bytes.length);
        } catch (error) {
          failed = true;
          onEnd(error as Error);
        }
      });
      call.on('end', () => {
        onEnd();
      });
    },
    pause: () => call.pause(),
    resume: () => call.resume(),
  };
}
