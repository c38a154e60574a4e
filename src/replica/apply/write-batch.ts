import { eventCorrelationId, eventSpans } from '../../protobuf/commit-record';
import { parseStreamName } from '../../store/values';
import { hashOf } from '../../store/hash';
import type { StreamVersions } from '../index/stream-versions';
import { IndexEntries } from '../index/index-entries';
import { identityOf, isDamage, type LogCommit, type LogDamage, type LogEntry } from '../../store/log';
import type { NewestIds } from '../index/newest-ids';
import type { Place } from '../segments/location';
import { draftOf } from '../segments/record';
import type { Segments } from '../segments/segments';

/** So far apart, in bytes, are the places at which a read of the whole store can begin. */
const markBytes = 64 << 10;

/** How far the batches have come. */
export interface Progress {
  /** Where the last mark is. */
  segment: number;
  offset: number;
  /** The highest commit time there has been; the clock of the log may go back. */
  newestNanos: bigint;
  /** Of the newest commits. */
  readonly ids: NewestIds;
  /** Messages that are gone, and where the last of them was. */
  lost: { readonly messages: bigint; readonly last: bigint };
}

/** Entries that lie in the segments and are not in the index yet. */
export class Batch {
  readonly entries = new IndexEntries();
  bytes = 0;
  through = 0n;
  last: { readonly sequence: bigint; readonly identity: string } | undefined;

  constructor(
    private readonly segments: Segments,
    private readonly heads: StreamVersions,
    private readonly progress: Progress,
  ) {}

  /** Puts the entries of a transaction, or a single one, into the segments. */
  add(group: readonly LogEntry[]): void {
    const checked = group.map((entry) => this.checked(entry));
    if (checked.length === 1 || !checked.some(isDamage)) this.put(checked);
    // What is left of it is no transaction any more.
    else for (const entry of checked) this.put([isDamage(entry) ? entry : { ...entry, isTorn: true }]);
  }

  private put(checked: readonly LogEntry[]): void {
    const records = checked.map((entry, index) => draftOf(entry, index + 1 < checked.length));
    const position = placeOf(checked[0] as LogEntry);
    const { segment, offset: bytes } = this.segments.end;
    const places = this.segments.append(records, position);
    if (this.segments.end.segment !== segment) this.entries.addFinished(segment, bytes);
    this.mark(places[0] as Place, position);
    for (const { timeNanos } of checked)
      if (timeNanos > this.progress.newestNanos) this.progress.newestNanos = timeNanos;
    for (const [index, entry] of checked.entries()) {
      const place = places[index] as Place;
      this.bytes += place.length;
      if (isDamage(entry)) this.addDamage(entry, place);
      else this.addCommit(entry, place);
    }
  }

  private addCommit(commit: LogCommit, place: Place): void {
    const { stream, lastVersion, firstVersion, sequence, position, timeNanos, record } = commit;
    const count = Number(lastVersion - firstVersion) + 1;
    const { entries } = this;
    entries.addStream(stream, { place, version: lastVersion, sequence, position, timeNanos, count });
    entries.addKey('commit', hashOf(commit.commitId), sequence, place);
    this.progress.ids.add(commit.commitId);
    for (const id of correlationIds(record)) entries.addKey('correlation', hashOf(id), sequence, place);
    this.last = { sequence, identity: identityOf(commit) };
  }

  private addDamage(damage: LogDamage, place: Place): void {
    const { stream, position, timeNanos } = damage;
    this.entries.addKey('damage', 0n, position, place);
    if (damage.kind === 'lost') {
      const messages = this.progress.lost.messages + position - damage.firstPosition + 1n;
      this.progress.lost = { messages, last: position };
    }
    if (damage.kind !== 'unreadable' || parseStreamName(stream) === undefined) return;
    const version = this.heads.get(stream);
    this.entries.addStream(stream, { place, version, sequence: position, position, timeNanos, count: 0 });
  }

  /** A commit whose versions have been there cannot be told apart from the others; one that leaves some out can. */
  private checked(entry: LogEntry): LogEntry {
    if (isDamage(entry)) return entry;
    const { stream, firstVersion, lastVersion, sequence, timeNanos } = entry;
    const head = this.heads.get(stream);
    if (firstVersion > head) {
      this.heads.set(stream, lastVersion);
      return entry;
    }
    const reason = `version ${firstVersion.toString()} has been there before, the stream is at ${head.toString()}`;
    return { kind: 'unreadable', stream, position: sequence, timeNanos, claimedVersion: 0n, reason };
  }

  private mark(place: Place, position: bigint): void {
    const { segment, offset, newestNanos } = this.progress;
    if (place.segment === segment && place.offset - offset < markBytes && offset >= 0) return;
    this.progress.segment = place.segment;
    this.progress.offset = place.offset;
    this.entries.addMark({ position, place, newestNanos });
  }
}

/** Those of all events of a commit, each once. */
function correlationIds(record: Uint8Array): Iterable<string> {
  const spans = eventSpans(record);
  const [first] = spans;
  if (spans.length === 1 && first !== undefined) return [eventCorrelationId(record, first)];
  return new Set(spans.map((span) => eventCorrelationId(record, span)));
}

/** Where an entry stands among the others. */
function placeOf(entry: LogEntry): bigint {
  return !isDamage(entry) && entry.isTorn ? entry.sequence : entry.position;
}
