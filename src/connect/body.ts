import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { gzipBytes } from '../grpc/inflate';
import type { Limits } from '../limits';
import { CancelledError, OverloadedError } from '../store/errors';

/** A body has more bytes than it may have: at least this number. */
export class TooLargeError extends Error {
  constructor(readonly bytes: number) {
    super(`more than ${bytes} bytes`);
  }
}

/** A body that comes. */
interface Coming {
  readonly request: IncomingMessage;
  /** What it is for. */
  readonly call: EventEmitter;
  readonly bytesMax: number;
}

/** Counts more bytes for a body. Throws OverloadedError if all bodies have too many then. */
export type Hold = (bytes: number) => void;

/** Bodies that are in memory, bounded in all. */
export class Bodies {
  private heldBytes = 0;

  constructor(private readonly limits: Limits) {}

  /**
   * Reads a body and works with it, during which it counts. Throws TooLargeError, OverloadedError, and CancelledError if it stops coming,
   * and when its call is closed before all of it has come; the rest of the body is then discarded as it comes. Never settles if the
   * caller goes before the end.
   */
  async use<Result>(
    { request, call, bytesMax }: Coming,
    work: (body: Buffer, hold: Hold) => Promise<Result>,
  ): Promise<Result> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const hold = (more: number): void => {
      bytes += more;
      this.heldBytes += more;
      if (this.heldBytes > this.limits.httpBodiesBytesMax)
        throw new OverloadedError('httpBodiesBytesMax', `${this.heldBytes} bytes of requests wait already`);
    };
    let timer: NodeJS.Timeout | undefined;
    const release = (): void => {
      clearInterval(timer);
      this.heldBytes -= bytes;
      bytes = 0;
    };
    request.once('close', release);
    try {
      await new Promise<void>((resolve, reject) => {
        const refuse = (error: Error): void => {
          clearInterval(timer);
          request.off('data', take);
          request.resume();
          reject(error);
        };
        const take = (chunk: Buffer): void => {
          chunks.push(chunk);
          try {
            hold(chunk.length);
            if (bytes > bytesMax) refuse(new TooLargeError(bytes));
          } catch (error) {
            refuse(error as Error);
          }
        };
        call.once('close', () => {
          refuse(new Error('the call is over'));
        });
        timer = this.whenStalled(() => bytes, refuse);
        const declared = Number(request.headers['content-length'] ?? 0);
        if (declared > bytesMax) refuse(new TooLargeError(declared));
        else
          request.on('data', take).once('end', () => {
            clearInterval(timer);
            request.off('close', release); // it closes when all of it has come, and counts on
            resolve();
          });
      });
      return await work(Buffer.concat(chunks), hold);
    } finally {
      release();
      request.off('close', release);
    }
  }

  /** The bound that gRPC has for requests, whose bytes do not get there yet. */
  private whenStalled(came: () => number, refuse: (error: Error) => void): NodeJS.Timeout {
    const { requestStallTimeoutMs, requestStallBytes } = this.limits;
    let before = 0;
    return setInterval(() => {
      if (came() - before < requestStallBytes)
        refuse(new CancelledError(`the request did not come within ${requestStallTimeoutMs} ms`));
      before = came();
    }, requestStallTimeoutMs);
  }
}

const inflate = promisify(gunzip);
/** The minimum of zlib. */
const chunkBytesMin = 64;

/** Inflates a body to the size that it declares. Throws TooLargeError and OverloadedError, and an error of zlib. */
export async function inflated(bytes: Buffer, bytesMax: number, hold: Hold): Promise<Buffer> {
  const declared = gzipBytes(bytes);
  if (declared > bytesMax) throw new TooLargeError(declared);
  hold(declared);
  const chunkSize = Math.max(chunkBytesMin, declared + 1);
  return inflate(bytes, { maxOutputLength: Math.max(1, declared), chunkSize });
}
