import type { EventRun } from '../../store/event-store';
import { hiddenBy } from '../../store/stream-rules';
import { version } from '../../store/values';
import { unknown, without, type FirstVersions } from '../index/first-versions';
import type { ReplicaFiles } from '../index/replica-files';
import { firstVersionOf, type StoredRecord } from '../segments/record';
import { RecordIterator } from '../segments/record-iterator';
import { select, type Selection } from './select';
import { versionAt } from './stream-entries';

/** The time by which retention is judged. */
export function clockNanos(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** When a read judges retention. */
export interface Judgement {
  readonly nowNanos: bigint;
  /** Streams have the versions that they had at this position; undefined: those that they have when they are met. */
  readonly upTo: bigint | undefined;
}

/** What is hidden of one stream. Versions are numbers, as in RecordIterator. */
interface Judged {
  readonly firstVersion: number;
  readonly fromTime: bigint | undefined;
}

const nothing: Judged = { firstVersion: 1, fromTime: undefined };

/** What a read needs to know what is hidden. */
export type HidingFiles = Pick<ReplicaFiles, 'index' | 'versions'>;

/** Streams whose retention a read has judged and remembers. What it has forgotten it judges again, with the same result. */
const judgedMax = 16_384;

/**
 * What is hidden from one read over several streams; undefined: nothing, since no stream has rules. `judgement`: undefined: retention
 * hides nothing.
 */
export function hidingAt(files: HidingFiles, judgement: Judgement | undefined): Hiding | undefined {
  return files.index.rules.isEmpty ? undefined : new Hiding(files, judgement);
}

/** Tells which events of the commits that it meets are hidden. */
export class Hiding {
  private readonly firstVersions: FirstVersions;
  /** Of `firstVersions`, when the read began. */
  private readonly revision: number;
  /** Of the judgement, as a number; undefined: retention hides nothing. */
  private readonly now: number | undefined;
  private readonly judged = new Map<string | number, Judged>();

  constructor(
    private readonly files: HidingFiles,
    private readonly judgement: Judgement | undefined,
  ) {
    this.firstVersions = files.index.rules.firstVersions();
    this.revision = this.firstVersions.revision;
    this.now = judgement && Number(judgement.nowNanos);
  }

  /** Whether events of the current record, a commit, may be hidden: false for most streams without rules, by a fast look at the name. */
  mayHide(record: RecordIterator): boolean {
    return this.firstVersions.mayHave(record.view, record.nameStart, record.bodyStart);
  }

  /** How many events at the beginning of the current record, a commit, are hidden. */
  countHidden(record: RecordIterator): number {
    const entry = this.firstVersions.find(record.view, record.nameStart, record.bodyStart);
    if (entry === without) return 0;
    return entry !== unknown && this.isShown(entry, record) ? 0 : this.countHiddenOf(entry, record);
  }

  /** Whether no event of the current record is hidden; false: that has to be judged. */
  private isShown(entry: number, record: RecordIterator): boolean {
    const { firstVersions, now } = this;
    // What was judged of a stream holds for the whole read, whatever control follows.
    if (firstVersions.revision !== this.revision) return false;
    if (now === undefined) return record.firstVersion >= firstVersions.firstVersionOf(entry);
    const growth = this.files.versions?.growth ?? Infinity;
    return firstVersions.isShown(entry, record.firstVersion, now - record.timeNumber, growth);
  }

  private countHiddenOf(entry: number, record: RecordIterator): number {
    const { firstVersions, judgement } = this;
    const key = entry === unknown ? record.name : entry;
    const known = this.judged.get(key);
    const isRetained = entry === unknown || (judgement !== undefined && firstVersions.hasRetention(entry));
    if (known === undefined && !isRetained) return countBefore(firstVersions.firstVersionOf(entry), record);
    const { firstVersion, fromTime } = known ?? this.judge(key, record);
    if (fromTime !== undefined && record.timeNanos < fromTime) return record.count;
    return countBefore(firstVersion, record);
  }

  /** The selected events of a commit that are not hidden; undefined: all are hidden. */
  select(stored: StoredRecord, selection: Selection): EventRun | undefined {
    const { bytes, header } = stored;
    const record = new RecordIterator(bytes);
    record.moveTo(header.start);
    const hidden = this.countHidden(record);
    if (hidden === 0) return select(stored, selection);
    if (hidden === header.count) return undefined;
    const shown = firstVersionOf(bytes, header) + BigInt(hidden);
    const { fromVersion = 1n } = selection;
    return select(stored, { ...selection, fromVersion: shown > fromVersion ? shown : fromVersion });
  }

  private judge(key: string | number, record: RecordIterator): Judged {
    const judged = this.judgeStream(record.name, key);
    if (this.judged.size === judgedMax) this.judged.clear();
    this.judged.set(key, judged);
    return judged;
  }

  /** A lookup of the rules in the index takes as long as several commits. */
  private judgeStream(stream: string, key: string | number): Judged {
    const { files, firstVersions, judgement } = this;
    const rules = typeof key === 'number' ? firstVersions.rulesOf(key) : files.index.rules.get(stream)?.rules;
    if (rules === undefined) return nothing;
    if (judgement === undefined) return { ...nothing, firstVersion: Number(rules.firstVersion) };
    const mayHideByCount = rules.maxCount !== undefined && this.isLonger(stream, key, rules.maxCount);
    const last = mayHideByCount ? this.versionOf(stream, judgement.upTo) : 0n;
    const { firstVersion, fromTime } = hiddenBy(rules, version(last), judgement.nowNanos);
    return { firstVersion: Number(firstVersion), fromTime };
  }

  /** Whether a stream may have more events than this: the index takes long to say how many. */
  private isLonger(stream: string, key: string | number, maxCount: bigint): boolean {
    const { versions } = this.files;
    if (versions === undefined) return true;
    const newest = versions.get(stream);
    if (typeof key === 'number') this.firstVersions.noteVersion(key, Number(newest), versions.growth);
    return newest > maxCount;
  }

  private versionOf(stream: string, upTo: bigint | undefined): bigint {
    const { index } = this.files;
    const head = index.head(stream);
    if (head === undefined || upTo === undefined || head.position <= upTo) return head?.version ?? 0n;
    return versionAt(index, stream, upTo);
  }
}

function countBefore(firstVersion: number, record: RecordIterator): number {
  const before = firstVersion - record.firstVersion;
  return before <= 0 ? 0 : Math.min(before, record.count);
}

/** `select`, without what is hidden. */
export function selectShown(
  record: StoredRecord,
  selection: Selection,
  hiding: Hiding | undefined,
): EventRun | undefined {
  return hiding === undefined ? select(record, selection) : hiding.select(record, selection);
}
