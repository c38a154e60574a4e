import type { OpenedLog } from '../jetstream/open-log';
import { isControl, isDamage, type LogDamage, type LogEntry } from '../store/log';
import { versionAfter, type Sequence } from '../store/values';
import type { Manifest } from './manifest';
import type { OnProgress } from './progress';
import { StreamVersions, type Finding, type StreamVersion } from './stream-versions';

/** What a walk of a log has found. */
export interface Checked {
  readonly counts: Manifest['counts'];
  /** Messages that are not part of the store. */
  readonly foreign: number;
  readonly findings: Findings;
}

/** What is wrong: a bounded number of findings, by position, and how many there are. */
export interface Findings {
  readonly first: readonly Finding[];
  readonly count: number;
}

export interface CheckOptions {
  /** For temporary files. */
  readonly folder: string;
  /** Gets the version of every stream at the end, sorted by name. */
  readonly onVersions: (versions: AsyncIterable<StreamVersion>) => Promise<void>;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** Findings that are kept, and printed. */
const findingsMax = 100;

/**
 * Reads a log up to a sequence at which no batch is cut, and checks that every message is a commit or part of one, that the events in
 * it fit its headers, that transactions are whole, and that the versions of each stream are consecutive from 1, or from what a control
 * hides.
 */
export async function checkLog(log: OpenedLog, end: Sequence, options: CheckOptions): Promise<Checked> {
  const tally = new Tally(options.folder);
  const total = Number(end);
  try {
    const before = await log.walk(
      end,
      async (groups, upTo, removed) => {
        tally.addRemoved(removed);
        for (const group of groups)
          for (const entry of group) {
            const pending = tally.add(entry);
            if (pending !== undefined) await pending;
          }
        options.onProgress('reading the log', Number(upTo), total);
      },
      options.signal,
    );
    await options.onVersions(tally.versions());
    return tally.result(total - Number(before));
  } finally {
    await tally.close();
  }
}

class Tally {
  private readonly streamVersions: StreamVersions;
  private readonly first: Finding[] = [];
  private findingCount = 0;
  private commits = 0;
  private events = 0;
  private streams = 0;
  private unreadable = 0;
  private lost = 0;
  private removed = 0;
  private foreign = 0;

  constructor(folder: string) {
    this.streamVersions = new StreamVersions(folder, (finding) => {
      this.note(finding);
    });
  }

  add(entry: LogEntry): Promise<void> | undefined {
    const { stream } = entry;
    const position = Number(entry.position);
    if (isDamage(entry)) {
      this.addDamage(entry);
      return undefined;
    }
    this.commits++;
    if (isControl(entry)) {
      // As a commit without events: it must follow the version that it claims.
      const firstVersion = versionAfter(entry.version, 1n);
      const hiddenBefore = entry.rules.firstVersion;
      return this.streamVersions.add({ ...entry, firstVersion, lastVersion: entry.version, hiddenBefore });
    }
    this.events += Number(entry.lastVersion - entry.firstVersion) + 1;
    if (entry.isTorn) {
      const reason = 'another part of its transaction is gone or cannot be read';
      this.note({ stream, position, reason });
    }
    return this.streamVersions.add(entry);
  }

  addRemoved(count: bigint): void {
    this.removed += Number(count);
  }

  private addDamage(damage: LogDamage): void {
    const { stream, reason } = damage;
    const position = Number(damage.position);
    if (damage.kind === 'lost') {
      const first = Number(damage.firstPosition);
      this.lost += position - first + 1;
      this.note({ stream, position, reason: `the messages from position ${first.toString()} on are gone` });
    } else if (damage.kind === 'unreadable') {
      this.unreadable++;
      this.note({ stream, position, reason });
    } else this.foreign++;
  }

  async *versions(): AsyncGenerator<StreamVersion, void> {
    for await (const version of this.streamVersions.all()) {
      this.streams++;
      yield version;
    }
  }

  /** `sequences`: how many the log has, with those of messages that are gone or were removed. */
  result(sequences: number): Checked {
    const { commits, events, streams, unreadable, lost, removed, foreign } = this;
    return {
      counts: {
        messages: sequences - lost - removed,
        commits,
        events,
        streams,
        unreadable: unreadable + lost,
      },
      foreign,
      findings: { first: this.first.sort((a, b) => a.position - b.position), count: this.findingCount },
    };
  }

  close(): Promise<void> {
    return this.streamVersions.close();
  }

  private note(finding: Finding): void {
    this.findingCount++;
    if (this.first.length < findingsMax) this.first.push(finding);
  }
}
