import { CommandError } from './failure';

/** A line of a file or a pipe. */
export interface Line {
  /** Without its line feed. */
  readonly bytes: Buffer;
  /** Counted from 1. */
  readonly number: number;
  /** False for the last line of a file if its line feed is missing. */
  readonly isComplete: boolean;
}

/** A commit of 64 MiB, the highest limit that a gateway can be configured with, as JSON. */
const lineBytesMax = 256 << 20;
const lineFeed = 10;

/** The lines of a source of chunks. Throws CommandError for a line that is longer than any that Sluice writes. */
export async function* readLines(source: AsyncIterable<Buffer | string>): AsyncGenerator<Line, void> {
  let parts: Buffer[] = [];
  let size = 0;
  let number = 1;
  for await (const chunk of source) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      yield {
        bytes: Buffer.concat([...parts, bytes.subarray(start, end)]),
        number: number++,
        isComplete: true,
      };
      parts = [];
      size = 0;
      start = end + 1;
    }
    if (start === bytes.length) continue;
    parts.push(bytes.subarray(start));
    size += bytes.length - start;
    if (size > lineBytesMax) throw new CommandError(`line ${number} is too long`);
  }
  if (size > 0) yield { bytes: Buffer.concat(parts), number, isComplete: false };
}
