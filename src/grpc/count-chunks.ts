import type { ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';

/** Learns of each piece of a request. */
interface Counter {
  came(bytes: number): void;
}

const key = Symbol('counter');
type CountedStream = ServerHttp2Stream & { [key]?: Counter };

function pushCounted(this: CountedStream, chunk: Buffer | null, encoding?: BufferEncoding): boolean {
  if (chunk !== null) this[key]?.came(chunk.length);
  return Readable.prototype.push.call(this, chunk, encoding);
}

/** Counts what comes for a call even while nothing reads it. */
export function countChunks(stream: CountedStream, counter: Counter): void {
  stream[key] = counter;
  stream.push = pushCounted;
}
