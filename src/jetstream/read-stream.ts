import type { CallContext, CommitSlice, Page, ReadStreamQuery, StreamRead } from '../store/event-store';
import { asPart, type StoredCommit } from './commit-assembler';
import { unreadable, type StoredPart } from './commit-codec';
import { commitWithVersion } from './find-commit';
import { lastPart, toHead } from './head';
import { locate, skipVersionsMax } from './locate';
import { askPage, commitsBackward, commitsForward, type ScanStart } from './scan';
import { isWithinTimes, select } from './select';
import { subjectOf, within, type StoreContext } from './store-context';

const nothingMore: Page = { commits: [], end: 'complete' };

/** Reads a stream as it is now: the read goes up to the head, which is asked for first, or together with the start. */
export async function readStream(
  context: StoreContext,
  query: ReadStreamQuery,
  call: CallContext,
): Promise<StreamRead> {
  const start = beginsAtFirst(query) ? askStart(context, query, call) : {};
  const head = await lastPart(context, query.stream, query.consistency, call);
  if (head !== undefined) await context.durability.through(head.position);
  return {
    head: toHead(head),
    pages: head === undefined ? emptyRead() : pages(context, query, head, start, call),
  };
}

function beginsAtFirst({ direction, fromVersion }: ReadStreamQuery): boolean {
  return direction === 'forward' && fromVersion <= 1n;
}

/** Asks for the first page before the head is known, which saves most reads their second round trip. */
function askStart(context: StoreContext, query: ReadStreamQuery, call: CallContext): ScanStart {
  const messagesMax = messagesNeeded(query);
  const batch = Math.min(messagesMax ?? Infinity, context.limits.fetchMessagesMax);
  const options = within(call, context.limits.requestTimeoutMs);
  const page = askPage(context, subjectOf(context, query.stream), 1n, batch, options);
  page.catch(() => undefined); // what fails here is asked again by the scan
  return { page, messagesMax };
}

/** So many commits hold all that is asked for, each an event at least; undefined: there is no telling. */
function commitsNeeded(query: ReadStreamQuery): number | undefined {
  const { maxCount, eventTypes, fromTime, toTime } = query;
  const { fromVersion, toVersion } = versionRange(query);
  const isFiltered = eventTypes.size > 0 || fromTime !== undefined || toTime !== undefined;
  const bounds: bigint[] = [];
  if (toVersion !== undefined) bounds.push(toVersion - fromVersion + 1n);
  if (maxCount !== undefined && !isFiltered) bounds.push(maxCount);
  return bounds.length === 0 ? undefined : Math.min(...bounds.map(Number));
}

/** The same with those that a forward read may have to pass over before the first. */
function messagesNeeded(query: ReadStreamQuery): number | undefined {
  const commits = commitsNeeded(query);
  return commits === undefined ? undefined : commits + Number(skipVersionsMax);
}

// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* emptyRead(): AsyncGenerator<Page, void> {
  yield nothingMore;
}

async function* pages(
  context: StoreContext,
  query: ReadStreamQuery,
  head: StoredPart,
  start: ScanStart,
  call: CallContext,
): AsyncGenerator<Page, void> {
  const source =
    query.direction === 'forward'
      ? await openForward(context, query, head, start, call)
      : await openBackward(context, query, head, call);
  const range = versionRange(query);
  let left = query.maxCount;
  for await (const commits of source ?? []) {
    const slices: CommitSlice[] = [];
    let passed = false;
    for (const commit of commits) {
      passed = isPast(range, commit);
      if (passed) break;
      if (!isWithinTimes(query, commit)) continue;
      const slice = select(commit, {
        ...range,
        eventTypes: query.eventTypes,
        reverse: range.reverse,
        countMax: left,
      });
      if (slice === undefined) continue;
      slices.push(slice);
      if (left === undefined) continue;
      left -= BigInt(slice.eventCount);
      if (left > 0n) continue;
      yield { commits: slices, end: 'maxCount' };
      return;
    }
    if (passed || endsRange(range, commits.at(-1), head)) {
      yield { commits: slices, end: 'complete' };
      return;
    }
    if (slices.length > 0) yield { commits: slices, end: undefined };
  }
  yield nothingMore;
}

interface VersionRange {
  readonly reverse: boolean;
  readonly fromVersion: bigint;
  readonly toVersion: bigint | undefined;
}

/** The versions asked for, lowest and highest, whatever the direction. */
function versionRange({ direction, fromVersion, toVersion }: ReadStreamQuery): VersionRange {
  const bound = (version: bigint): bigint | undefined => (version === 0n ? undefined : version);
  return direction === 'forward'
    ? { reverse: false, fromVersion: bound(fromVersion) ?? 1n, toVersion: bound(toVersion) }
    : { reverse: true, fromVersion: bound(toVersion) ?? 1n, toVersion: bound(fromVersion) };
}

/** Whether this commit and all that follow it in the direction of the read lie outside the range. */
function isPast({ reverse, fromVersion, toVersion }: VersionRange, commit: StoredCommit): boolean {
  return reverse
    ? commit.lastVersion < fromVersion
    : toVersion !== undefined && commit.firstVersion > toVersion;
}

/** Whether the range ends with this commit, so that the end can be told with the last events. */
function endsRange(range: VersionRange, last: StoredCommit | undefined, head: StoredPart): boolean {
  if (last === undefined) return false;
  if (range.reverse) return last.firstVersion <= range.fromVersion;
  return (
    last.lastVersion >= head.lastVersion ||
    (range.toVersion !== undefined && last.lastVersion >= range.toVersion)
  );
}

type Commits = AsyncGenerator<readonly StoredCommit[], void>;

async function openForward(
  context: StoreContext,
  query: ReadStreamQuery,
  head: StoredPart,
  start: ScanStart,
  call: CallContext,
): Promise<Commits | undefined> {
  const { fromVersion } = versionRange(query);
  if (fromVersion > head.lastVersion) return undefined;
  const from = fromVersion === 1n ? 1n : await locate(context, query.stream, fromVersion, head, call);
  const isStart = fromVersion === 1n;
  const range = { messagesMax: messagesNeeded(query), ...start, from, through: head.sequence, isStart };
  return commitsForward(context, query.stream, range, call);
}

/** Begins at the commit that holds the highest version asked for. */
async function openBackward(
  context: StoreContext,
  query: ReadStreamQuery,
  head: StoredPart,
  call: CallContext,
): Promise<Commits | undefined> {
  const { stream } = query;
  const { fromVersion, toVersion } = versionRange(query);
  if (fromVersion > head.lastVersion) return undefined;
  if (toVersion === undefined || toVersion >= head.firstVersion)
    return commitsBackward(context, stream, head, call, commitsNeeded(query));
  const commit = await commitWithVersion(context, stream, toVersion, head, call);
  if (commit === undefined)
    throw unreadable(stream, head.sequence, `version ${toVersion.toString()} is gone`);
  return commitsBackward(context, stream, asPart(commit), call, commitsNeeded(query));
}
