import type { LogCommit } from '../store/log';
import type { Version } from '../store/values';
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

type VersionedCommit = Pick<LogCommit, 'stream' | 'firstVersion' | 'lastVersion' | 'position'> & {
  /** Of a control: events before this version are hidden, and may be gone. */
  readonly hiddenBefore?: Version;
};

type OnFinding = (finding: Finding) => void;

interface Open {
  readonly first: number;
  readonly position: number;
  last: number;
  /** Events before this version are hidden; 1: none. */
  hiddenBefore: number;
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
  add(commit: VersionedCommit): Promise<void> | undefined {
    const { stream, firstVersion, lastVersion } = commit;
    const [first, last, position] = [Number(firstVersion), Number(lastVersion), Number(commit.position)];
    const hiddenBefore = Number(commit.hiddenBefore ?? 1n);
    const known = this.open.get(stream);
    if (known !== undefined) {
      this.compare(stream, known.last, first, position);
      known.last = last;
      known.hiddenBefore = Math.max(known.hiddenBefore, hiddenBefore);
      return undefined;
    }
    this.open.set(stream, { first, last, position, hiddenBefore });
    return this.open.size >= this.inMemoryMax ? this.spill() : undefined;
  }

  /** The version of every stream, sorted by name. To be read to the end, once. */
  async *all(): AsyncGenerator<StreamVersion, void> {
    let known: Segment | undefined;
    for await (const segment of this.runs.all(this.segments())) {
      if (known?.stream === segment.stream) {
        const { stream, first, last, position } = segment;
        this.compare(stream, known.last, first, position);
        known = { ...known, last, hiddenBefore: Math.max(known.hiddenBefore, segment.hiddenBefore) };
      } else {
        if (known !== undefined) yield this.versionOf(known);
        known = segment;
      }
    }
    if (known !== undefined) yield this.versionOf(known);
  }

  async close(): Promise<void> {
    await this.runs.remove();
  }

  private versionOf({ stream, first, last, position, hiddenBefore }: Segment): StreamVersion {
    // Its beginning may have been removed.
    if (first > hiddenBefore) this.compare(stream, 0, first, position);
    return { stream, version: last };
  }

  private compare(stream: string, version: number, first: number, position: number): void {
    if (first === version + 1) return;
    const reason = `version ${first.toString()} follows version ${version.toString()}`;
    this.onFinding({ stream, position, reason });
  }

  private segments(): Segment[] {
    return Array.from(this.open, ([stream, open]) => ({ stream, ...open }));
  }

  private async spill(): Promise<void> {
    const segments = this.segments();
    this.open = new Map();
    await this.runs.spill(segments);
  }
}
