import type { LogCommit } from '../store/log';
import { streamsInMemoryMax, VersionRuns, type Segment } from './version-runs';

/** Something that is wrong with the log. */
export interface Finding {
  /** "": it concerns no single stream. */
  readonly stream: string;
  readonly position: number;
  readonly reason: string;
}

/** The version of a stream at the end of a walk. */
export interface StreamVersion {
  readonly stream: string;
  readonly version: number;
}

type VersionedCommit = Pick<LogCommit, 'stream' | 'firstVersion' | 'lastVersion' | 'position'>;

type OnFinding = (finding: Finding) => void;

interface Open {
  readonly first: number;
  readonly position: number;
  last: number;
}

/** Follows the versions of all streams through a walk of the log, in bounded memory, and finds where they are not consecutive. */
export class StreamVersions {
  private open = new Map<string, Open>();
  private readonly runs: VersionRuns;

  /** `folder` is for what does not fit into memory. */
  constructor(
    folder: string,
    private readonly onFinding: OnFinding,
    private readonly inMemoryMax = streamsInMemoryMax,
  ) {
    this.runs = new VersionRuns(folder);
  }

  /** Takes the next commit of the log; a promise if it must be waited for. */
  add({ stream, firstVersion, lastVersion, position: at }: VersionedCommit): Promise<void> | undefined {
    const [first, last, position] = [Number(firstVersion), Number(lastVersion), Number(at)];
    const known = this.open.get(stream);
    if (known !== undefined) {
      this.compare(stream, known.last, first, position);
      known.last = last;
      return undefined;
    }
    this.open.set(stream, { first, last, position });
    return this.open.size >= this.inMemoryMax ? this.spill() : undefined;
  }

  /** The version of every stream, sorted by name. To be read to the end, once. */
  async *all(): AsyncGenerator<StreamVersion, void> {
    let known: { stream: string; version: number } | undefined;
    for await (const { stream, first, last, position } of this.runs.all(this.segments())) {
      if (known?.stream !== stream) {
        if (known !== undefined) yield known;
        known = { stream, version: 0 };
      }
      this.compare(stream, known.version, first, position);
      known.version = last;
    }
    if (known !== undefined) yield known;
  }

  async close(): Promise<void> {
    await this.runs.remove();
  }

  private compare(stream: string, version: number, first: number, position: number): void {
    if (first === version + 1) return;
    const reason = `version ${first.toString()} follows version ${version.toString()}`;
    this.onFinding({ stream, position, reason });
  }

  private segments(): Segment[] {
    return Array.from(this.open, ([stream, { first, last, position }]) => ({
      stream,
      first,
      last,
      position,
    }));
  }

  private async spill(): Promise<void> {
    const segments = this.segments();
    this.open = new Map();
    await this.runs.spill(segments);
  }
}
