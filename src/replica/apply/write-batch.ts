import { distinctTags, eventCorrelationId, eventSpans, type EventSpan } from '../../protobuf/commit-record';
import { hashOf } from '../index/id-hash';
import {
  identityOf,
  isControl,
  isDamage,
  lastVersionOf,
  type LogCommit,
  type LogControl,
  type LogDamage,
  type LogEntry,
} from '../../store/log';
import type { Erasure } from '../../store/stream-rules';
import {
  beginning,
  parseStreamName,
  position as toPosition,
  unixNanos,
  version as toVersion,
  type Sequence,
} from '../../store/values';
import type { CommitIdFilter } from '../index/commit-id-filter';
import { IndexEntries } from '../index/index-entries';
import type { StreamVersions } from '../index/stream-versions';
import type { RecordLocation } from '../segments/location';
import { draftRecord } from '../segments/record';
import type { Segments } from '../segments/segments';
import { duplicateOf, splitIfTorn } from '../segments/torn-groups';
import { erasedCommits, type ErasedCommits } from './erase-commits';
import type { ReplicaState } from './state';

/** The distance of two marks: a read of all streams begins at one. */
const markDistanceBytes = 64 << 10;

const noEvents = { count: 0, isErased: false };

/** What one batch passes to the next. */
export interface BatchState {
  /** Where the last mark is. */
  segment: number;
  offset: number;
  /** The latest commit time so far; the clock of the log may go back. */
  newestNanos: bigint;
  readonly ids: CommitIdFilter;
  lost: ReplicaState['lost'];
}

/** Entries that are in the segments and not in the index yet. */
export class WriteBatch {
  readonly entries = new IndexEntries();
  bytes = 0;
  upTo: Sequence = beginning;
  last: ReplicaState['last'];
  /** What must be erased before the batch is stored: of commits that are in the index by then. */
  readonly erasures: ErasedCommits[] = [];

  constructor(
    private readonly segments: Segments,
    private readonly versions: StreamVersions,
    private readonly state: BatchState,
  ) {}

  /** Appends the entries of a transaction, or a single entry, to the segments. */
  add(group: readonly LogEntry[]): void {
    const checked = group.map((entry) => this.checkVersion(entry));
    for (const part of splitIfTorn(checked)) this.append(part);
  }

  private append(group: readonly LogEntry[]): void {
    const records = group.map((entry, index) => draftRecord(entry, index + 1 < group.length));
    const position = orderOf(group[0] as LogEntry);
    const { segment, offset: bytes } = this.segments.end;
    const locations = this.segments.append(records, position);
    if (this.segments.end.segment !== segment) this.entries.addSealed(segment, bytes);
    this.addMarkIfDue(locations[0] as RecordLocation, position);
    for (const { timeNanos } of group)
      if (timeNanos > this.state.newestNanos) this.state.newestNanos = timeNanos;
    for (const [index, entry] of group.entries()) {
      const location = locations[index] as RecordLocation;
      this.bytes += location.length;
      if (isDamage(entry)) this.addDamage(entry, location);
      else if (isControl(entry)) this.addControl(entry, location);
      else this.addCommit(entry, location);
    }
  }

  private addCommit(commit: LogCommit, location: RecordLocation): void {
    const {
      stream,
      lastVersion,
      firstVersion,
      sequence,
      position,
      timeNanos,
      record,
      isErased = false,
    } = commit;
    const count = Number(lastVersion - firstVersion) + 1;
    const { entries } = this;
    const head = { version: lastVersion, sequence, position, timeNanos };
    entries.addStream(stream, { kind: 'commit', location, count, isErased, ...head });
    entries.addKey({ kind: 'commit', hash: hashOf(commit.commitId), sequence }, location);
    this.state.ids.add(commit.commitId);
    const spans = isErased ? [] : eventSpans(record);
    for (const id of correlationIds(record, spans))
      entries.addKey({ kind: 'correlation', hash: hashOf(id), sequence }, location);
    const place = { position: toPosition(orderOf(commit)), sequence };
    for (const tag of distinctTags(record, spans)) entries.addTag({ hash: hashOf(tag), ...place }, location);
    this.last = { sequence, identity: identityOf(commit) };
  }

  private addControl(control: LogControl, location: RecordLocation): void {
    const { stream, version, sequence, position, timeNanos, commitId, rules } = control;
    const { entries } = this;
    const head = { version, sequence, position, timeNanos };
    entries.addStream(stream, { kind: 'control', location, ...noEvents, ...head });
    entries.addRules(stream, { rules, position });
    const erased = erasedCommits(control);
    if (erased !== undefined) this.erasures.push(erased);
    if (control.control.kind === 'erase') this.addErased(control, control.control);
    entries.addKey({ kind: 'commit', hash: hashOf(commitId), sequence }, location);
    this.state.ids.add(commitId);
    this.last = { sequence, identity: identityOf(control) };
  }

  /** The record of an erasure, which remains. */
  private addErased(
    { stream, timeNanos, position, principal }: LogControl,
    { fromVersion, toVersion, reason }: Erasure,
  ): void {
    const commitTime = unixNanos(timeNanos);
    this.entries.addErased(stream, { fromVersion, toVersion, commitTime, principal, reason, position });
  }

  private addDamage(damage: LogDamage, location: RecordLocation): void {
    const { stream, position, timeNanos } = damage;
    this.entries.addKey({ kind: 'damage', hash: 0n, sequence: position }, location);
    if (damage.kind === 'lost') {
      const messages = this.state.lost.messages + position - damage.firstPosition + 1n;
      this.state.lost = { messages, last: position };
    }
    if (damage.kind !== 'unreadable' || parseStreamName(stream) === undefined) return;
    const version = toVersion(this.versions.get(stream));
    const head = { version, sequence: position, position, timeNanos };
    this.entries.addStream(stream, { kind: 'damage', location, ...noEvents, ...head });
  }

  /**
   * A commit with versions that its stream has already is damage: nothing could tell it from the others later. A commit that
   * leaves versions out is not, since a read notices the gap. A control of an earlier version is damage for the same reason.
   */
  private checkVersion(entry: LogEntry): LogEntry {
    if (isDamage(entry)) return entry;
    const { stream } = entry;
    const head = this.versions.get(stream);
    const version = lastVersionOf(entry);
    if (isControl(entry) ? version < head : entry.firstVersion <= head) {
      const found = isControl(entry) ? version : entry.firstVersion;
      const reason = `the stream is at version ${head.toString()} and has version ${found.toString()} already`;
      return duplicateOf(entry, reason);
    }
    this.versions.advance(stream, head, version);
    return entry;
  }

  private addMarkIfDue(location: RecordLocation, position: bigint): void {
    const { segment, offset, newestNanos } = this.state;
    if (location.segment === segment && location.offset - offset < markDistanceBytes && offset >= 0) return;
    this.state.segment = location.segment;
    this.state.offset = location.offset;
    this.entries.addMark({ position, location, newestNanos });
  }
}

/** The distinct correlation ids of the events of a commit. */
function correlationIds(record: Uint8Array, spans: readonly EventSpan[]): Iterable<string> {
  const [first] = spans;
  if (spans.length === 1 && first !== undefined) return [eventCorrelationId(record, first)];
  return new Set(spans.map((span) => eventCorrelationId(record, span)));
}

/** The position by which an entry is ordered among all entries. */
function orderOf(entry: LogEntry): bigint {
  return 'isTorn' in entry && entry.isTorn ? entry.sequence : entry.position;
}

/** The number of events of entries of the log. */
export function eventsOf(groups: readonly (readonly LogEntry[])[]): number {
  let events = 0;
  for (const group of groups) {
    for (const entry of group) {
      if ('record' in entry) events += Number(entry.lastVersion - entry.firstVersion) + 1;
    }
  }
  return events;
}
