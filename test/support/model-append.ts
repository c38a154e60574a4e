import { isDeepStrictEqual } from 'node:util';
import { RecordedEvent } from '../../generated/sluice/v1/event';
import type { Limits } from '../../src/limits';
import type { AppendCondition } from '../../src/store/append-condition';
import {
  AppendConditionError,
  CommitIdReuseError,
  InvalidRequestError,
  StreamTombstonedError,
  VersionConflictError,
} from '../../src/store/errors';
import type {
  AppendCommand,
  AppendMultiCommand,
  AppendMultiResult,
  AppendResult,
  StreamAppend,
} from '../../src/store/event-store';
import type { NewEvent } from '../../src/store/new-event';
import type { Expectation } from '../../src/store/expectation';
import { traceContextKeys } from '../../src/store/trace';
import { uuidV7 } from '../../src/uuid';
import {
  position,
  unixNanos,
  version,
  type CommitId,
  type Position,
  type StreamName,
  type UnixNanos,
} from '../../src/store/values';
import { queriedItem } from './model-follow';
import { rulesOf } from './model-rules';
import { commitsOf, headOf, type Commit } from './model-log';

/** The bytes that framing and version add to an event at most. */
const framingBytesMax = 17;

/** Whether a stream at this version is as expected. */
export function isMet(expected: Expectation, at: bigint): boolean {
  return expected === 'exists' ? at >= 1n : at === expected;
}

/** Appends to the log of the model, or to a copy of it if nothing is to be stored. */
export function append(
  log: Commit[],
  command: AppendCommand,
  limits: Limits,
  now: () => bigint,
): AppendResult {
  if (command.validateOnly !== true || command.events.length === 0) return stored(log, command, limits, now);
  const result = stored([...log], command, limits, now);
  return result.replayed ? result : { ...result, ...notStored, commitTime: undefined };
}

/** What a result has of what was only validated. */
const notStored = { position: position(0n), commitId: undefined } as const;

function stored(log: Commit[], command: AppendCommand, limits: Limits, now: () => bigint): AppendResult {
  const { stream, events, expected, commitId } = command;
  const commits = commitsOf(log, stream);
  const head = headOf(commits.at(-1));
  const conflict = expected !== undefined && !isMet(expected, head.version);
  if (events.length === 0) {
    if (conflict) throw new VersionConflictError({ stream, expected, actual: head.version });
    return { ...head, firstVersion: version(0n), replayed: false, commitId: undefined };
  }
  checkSizes([command], limits);

  const known = log.find(({ id }) => id === commitId);
  const isRepetition =
    known?.stream === stream &&
    log.filter(({ id }) => id === commitId).length === 1 &&
    (expected === undefined || isMet(expected, known.firstVersion - 1n));
  if (isRepetition && hasSameContent(known, events)) return { ...resultOf(known), replayed: true };
  if (isRepetition) throw new CommitIdReuseError(known.id, known.stream, known.position);
  if (conflict) throw new VersionConflictError({ stream, expected, actual: head.version });
  if (known !== undefined) throw new CommitIdReuseError(known.id, known.stream, known.position);
  checkStreams(log, [command]);
  checkCondition(log, command.condition);

  const [commit] = push(log, [command], commitId, now);
  return { ...resultOf(commit as Commit), replayed: false };
}

/** Hidden events count as well: what is decided is what was stored. */
function checkCondition(log: readonly Commit[], condition: AppendCondition | undefined): void {
  if (condition === undefined) return;
  const { query, after, withinStream } = condition;
  const end = log.at(-1)?.position ?? 0n;
  if (after > end)
    throw new InvalidRequestError([{ field: 'condition.after_position', description: 'is after the end' }]);
  for (const { stream, position: at, events } of log) {
    if (at <= after || (withinStream !== undefined && stream !== withinStream)) continue;
    for (const event of events) {
      const item = queriedItem(query, event);
      if (item >= 0) throw new AppendConditionError({ item, position: at, eventId: event.id });
    }
  }
}

/** Whether the streams take events, and may be created. */
function checkStreams(log: Commit[], appends: readonly StreamAppend[]): void {
  for (const { stream, newStreamRefusal } of appends) {
    const commits = commitsOf(log, stream);
    if (newStreamRefusal !== undefined && commits.length === 0) throw newStreamRefusal;
    if (rulesOf(commits).isTombstoned) throw new StreamTombstonedError(stream);
  }
}

/** Ids that the gateway filled in are not compared, and of what was erased only ids and types can be. */
function hasSameContent(commit: Commit, events: readonly NewEvent[]): boolean {
  const shown = (event: NewEvent | RecordedEvent, keepsId: boolean): unknown => {
    const { id, type, payload, contentType, correlationId, causationId, tags, metadata } = event;
    const others = [correlationId, causationId].map((other) => (other === id ? 'own' : other));
    if (commit.isErased) return [keepsId ? id : '', type];
    const compared = [...metadata].filter(([key]) => !traceContextKeys.includes(key));
    return [keepsId ? id : '', ...others, type, payload, contentType, tags, new Map(compared)];
  };
  return (
    commit.events.length === events.length &&
    events.every((event, index) =>
      isDeepStrictEqual(
        shown(event, event.hasGivenId),
        shown(commit.events[index] as RecordedEvent, event.hasGivenId),
      ),
    )
  );
}

/** Where and when the next commit is stored. */
export function endOf(log: readonly Commit[], now: () => bigint): { at: Position; time: UnixNanos } {
  const previous = log.at(-1);
  const nowTime = now();
  const time = previous !== undefined && previous.time > nowTime ? previous.time : nowTime;
  return { at: position((previous?.position ?? 0n) + 1n), time: unixNanos(time) };
}

/** Stores the commits of one transaction at the end: they share id, position and time. */
function push(
  log: Commit[],
  appends: readonly StreamAppend[],
  commitId: CommitId | undefined,
  now: () => bigint,
): Commit[] {
  const id = commitId ?? (uuidV7() as CommitId);
  const { at, time } = endOf(log, now);
  const commits = appends.map(({ stream, events }): Commit => {
    const { version: before } = headOf(commitsOf(log, stream).at(-1));
    return {
      id,
      stream,
      firstVersion: before + 1n,
      lastVersion: before + BigInt(events.length),
      position: at,
      time,
      events: events.map((event, index) => recorded(stream, before + BigInt(index + 1), event)),
    };
  });
  log.push(...commits);
  return commits;
}

/** The same for several streams. */
export function appendMulti(
  log: Commit[],
  command: AppendMultiCommand,
  limits: Limits,
  now: () => bigint,
): AppendMultiResult {
  if (command.validateOnly !== true) return storedMulti(log, command, limits, now);
  const result = storedMulti([...log], command, limits, now);
  return result.replayed ? result : { ...result, ...notStored };
}

function storedMulti(
  log: Commit[],
  { appends, checks, commitId, condition }: AppendMultiCommand,
  limits: Limits,
  now: () => bigint,
): AppendMultiResult {
  checkSizes(appends, limits);
  const known = log.filter(({ id }) => id === commitId);
  const isRepetition =
    known.length === appends.length &&
    appends.every(({ stream, events, expected }, index) => {
      const commit = known[index];
      return (
        commit?.stream === stream &&
        hasSameContent(commit, events) &&
        (expected === undefined || isMet(expected, commit.firstVersion - 1n))
      );
    });
  if (isRepetition) return multiResultOf(known, true);
  const conflicts = [...appends, ...checks].flatMap(({ stream, expected }) => {
    const { version: actual } = headOf(commitsOf(log, stream).at(-1));
    return expected === undefined || isMet(expected, actual) ? [] : [{ stream, expected, actual }];
  });
  const [first, ...others] = conflicts;
  if (first !== undefined) throw new VersionConflictError(first, others);
  const [owner] = known;
  if (owner !== undefined) throw new CommitIdReuseError(owner.id, owner.stream, owner.position);
  checkStreams(log, appends);
  checkCondition(log, condition);
  return multiResultOf(push(log, appends, commitId, now), false);
}

function multiResultOf(commits: readonly Commit[], replayed: boolean): AppendMultiResult {
  const { position: at, id: commitId } = commits[0] as Commit;
  const streams = commits.map(({ stream, lastVersion, firstVersion }) => ({
    stream,
    version: version(lastVersion),
    firstVersion: version(firstVersion),
  }));
  return { position: at, streams, replayed, commitId };
}

function resultOf(commit: Commit): Omit<AppendResult, 'replayed'> {
  return {
    version: version(commit.lastVersion),
    firstVersion: version(commit.firstVersion),
    position: commit.position,
    commitTime: commit.time,
    commitId: commit.id,
  };
}

function checkSizes(appends: readonly StreamAppend[], { eventBytesMax, appendBytesMax }: Limits): void {
  const sizes = appends.flatMap(({ stream, events }) =>
    events.map((event) => RecordedEvent.encode(recorded(stream, 0n, event)).finish().length),
  );
  const violations = sizes.flatMap((size, index) =>
    size > eventBytesMax
      ? [
          {
            field: `events[${index}]`,
            description: `has ${size} bytes as stored, more than ${eventBytesMax}`,
          },
        ]
      : [],
  );
  const sum = sizes.reduce((total, size) => total + size + framingBytesMax, 0);
  if (sum > appendBytesMax) {
    violations.push({
      field: 'events',
      description: `have ${sum} bytes as stored, more than ${appendBytesMax}`,
    });
  }
  if (violations.length > 0) throw new InvalidRequestError(violations);
}

function recorded(stream: StreamName, number: bigint, event: NewEvent): RecordedEvent {
  return {
    id: event.id,
    stream,
    version: number,
    type: event.type,
    payload: event.payload as RecordedEvent['payload'],
    contentType: event.contentType,
    correlationId: event.correlationId,
    causationId: event.causationId,
    tags: [...event.tags],
    metadata: new Map(event.metadata),
    position: 0n,
    commitTime: undefined,
    erased: false,
  };
}
