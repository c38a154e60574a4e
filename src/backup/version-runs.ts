import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Consecutive versions of one stream, as a walk of the log found them. */
export interface Segment {
  readonly stream: string;
  readonly first: number;
  readonly last: number;
  /** The position of the commit with the first of them. */
  readonly position: number;
  /** Events before this version are hidden; 1: none. */
  readonly hiddenBefore: number;
}

/** Streams that are kept in memory, about 200 bytes each; more of them are written to a file. */
export const streamsInMemoryMax = 200_000;
/** Files that are merged at once; more of them are merged to one file. */
const runsMax = 32;

/**
 * Sorts the segments of streams by name in bounded memory: what does not fit is written to sorted files, runs, which are merged at
 * the end. Segments of one stream keep their order.
 */
export class VersionRuns {
  private runs: string[] = [];
  private counter = 0;

  /** `folder` is for the files. */
  constructor(private readonly folder: string) {}

  /** Writes segments, which must be later ones than those before. */
  async spill(segments: readonly Segment[]): Promise<void> {
    await this.write(sorted(segments));
    if (this.runs.length < runsMax) return;
    const before = this.runs;
    this.runs = [];
    await this.write(merge(before.map(readRun)));
    await removeAll(before);
  }

  /** All segments, with those in memory as the last ones, by the name of the stream. */
  all(inMemory: readonly Segment[]): AsyncIterable<Segment> {
    const last = Readable.from(sorted(inMemory)) as AsyncIterable<Segment>;
    return merge([...this.runs.map(readRun), last]);
  }

  async remove(): Promise<void> {
    await removeAll(this.runs);
  }

  private async write(segments: Iterable<Segment> | AsyncIterable<Segment>): Promise<void> {
    const path = join(this.folder, `.versions-${(this.counter++).toString()}`);
    this.runs.push(path);
    await pipeline(linesOf(segments), createWriteStream(path, { mode: 0o600 }));
  }
}

async function* linesOf(segments: Iterable<Segment> | AsyncIterable<Segment>): AsyncGenerator<string, void> {
  let text = '';
  for await (const { stream, first, last, position, hiddenBefore } of segments) {
    text += `${[stream, first, last, position, hiddenBefore].join('\t')}\n`;
    if (text.length < 64 << 10) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** In the order of bytes, which is that of UTF-16 units: names are ASCII. */
function sorted(segments: readonly Segment[]): Segment[] {
  return [...segments].sort((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0));
}

async function* readRun(path: string): AsyncGenerator<Segment, void> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [stream = '', ...numbers] = line.split('\t');
    const [first = 0, last = 0, position = 0, hiddenBefore = 0] = numbers.map(Number);
    yield { stream, first, last, position, hiddenBefore };
  }
}

/** Merges sorted runs; of the same stream, the segment of an earlier run comes first. */
async function* merge(runs: readonly AsyncIterable<Segment>[]): AsyncGenerator<Segment, void> {
  const iterators = runs.map((run) => run[Symbol.asyncIterator]());
  const heads = await Promise.all(iterators.map(async (iterator) => valueOf(await iterator.next())));
  for (;;) {
    let at = -1;
    for (const [i, head] of heads.entries()) {
      const best = heads[at];
      if (head !== undefined && (best === undefined || head.stream < best.stream)) at = i;
    }
    const next = heads[at];
    if (next === undefined) return;
    yield next;
    heads[at] = valueOf(await (iterators[at] as AsyncIterator<Segment>).next());
  }
}

function valueOf({ done, value }: IteratorResult<Segment, unknown>): Segment | undefined {
  return done === true ? undefined : value;
}

async function removeAll(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => rm(path, { force: true })));
}
