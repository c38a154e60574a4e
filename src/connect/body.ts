import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { OverloadedError } from '../store/errors';

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

/** Bodies that are in memory, bounded in all. */
export class Bodies {
  private heldBytes = 0;

  constructor(private readonly bytesMax: number) {}

  /**
   * Reads a body and works with it, during which it counts. Throws TooLargeError and OverloadedError, and when its call is closed
   * before all of it has come; the rest of the body is then discarded as it comes. Never settles if the caller goes before the end.
   */
  async use<Result>(
    { request, call, bytesMax }: Coming,
    work: (body: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const release = (): void => {
      this.heldBytes -= bytes;
      bytes = 0;
    };
    request.once('close', release);
    try {
      await new Promise<void>((resolve, reject) => {
        const refuse = (error: Error): void => {
          request.off('data', take);
          request.resume();
          reject(error);
        };
        const take = (chunk: Buffer): void => {
          bytes += chunk.length;
          this.heldBytes += chunk.length;
          chunks.push(chunk);
          if (bytes > bytesMax) refuse(new TooLargeError(bytes));
          else if (this.heldBytes > this.bytesMax)
            refuse(
              new OverloadedError('httpBodiesBytesMax', `${this.heldBytes} bytes of requests wait already`),
            );
        };
        call.once('close', () => {
          refuse(new Error('the call is over'));
        });
        const declared = Number(request.headers['content-length'] ?? 0);
        if (declared > bytesMax) refuse(new TooLargeError(declared));
        else request.on('data', take).once('end', resolve);
      });
      return await work(Buffer.concat(chunks));
    } finally {
      release();
      request.off('close', release);
    }
  }
}

const inflate = promisify(gunzip);

/** Throws TooLargeError, and an error of zlib. */
export async function inflated(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? new TooLargeError(bytesMax)
      : error;
  }
}
