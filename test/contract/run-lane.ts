import type { DeepPartial, Event, QueryItem } from '../../generated/sluice/v1/event';
import { Consistency, Direction, type AppendCondition } from '../../generated/sluice/v1/event_store_service';
import { Problem, timestamp, type ContractStore, type Head, type StoredEvent } from './contract-store';
import type { Controlled, Described } from './controls';
import { Follower } from './follower';
import type {
  AllOperation,
  AppendOperation,
  ChosenCondition,
  ChosenItem,
  ControlOperation,
  FollowOperation,
  Moment,
  Operation,
  ReadOperation,
  RepeatOperation,
  Share,
} from './operations';

/**
 * Runs operations on a store and gives answers that are comparable between stores: each counts positions its own way
 * and has a clock of its own, so a position or a time is given as "that of the n-th commit of this run".
 */
export interface Lane {
  /** What the operation answers, or how it fails. `index` is its number within the run. */
  run(operation: Operation, index: number): Promise<unknown>;
}

/** An append as it is sent. */
interface Request {
  readonly stream: string;
  readonly events: readonly DeepPartial<Event>[];
  readonly expectedVersion: bigint | undefined;
  readonly mustExist: boolean;
  readonly commitId: string;
  readonly withCommitTime: boolean;
  readonly condition: DeepPartial<AppendCondition> | undefined;
}

/** An answer with a position, and perhaps a time. */
interface Stamped {
  readonly position: bigint;
  readonly commitTime?: bigint | undefined;
}

/** `run` keeps the streams and ids of one run apart from those of others. */
export async function openLane(gateways: readonly ContractStore[], run: string): Promise<Lane> {
  const commits: { readonly position: bigint; readonly time: bigint }[] = [];
  const versions = new Map<string, bigint>();
  const commitsOf = new Map<string, VersionRange[]>();
  const requests: Request[] = [];
  const { position: base } = await (gateways[0] as ContractStore).correlation({ correlationId: run });

  const positionNumber = (position: bigint): unknown => {
    // What was there before the run does not count.
    if (position <= base) return 0;
    const index = commits.findIndex((commit) => commit.position === position);
    return index < 0 ? `position ${position} of no commit` : index + 1;
  };
  const timeNumber = (time: bigint | undefined): unknown => {
    if (time === undefined) return undefined;
    const index = commits.findIndex((commit) => commit.time === time);
    return index < 0 ? `time ${time} of no commit` : index + 1;
  };
  const comparable = (answer: Stamped): object => ({
    ...answer,
    position: positionNumber(answer.position),
    commitTime: timeNumber(answer.commitTime),
  });
  const allComparable = (events: readonly StoredEvent[]): object[] => events.map(comparable);
  const momentOf = (moment: Moment | undefined): bigint | undefined => {
    if (moment === undefined) return undefined;
    const commit = chosen(commits, moment.commit);
    return commit === undefined ? 0n : commit.time + BigInt(moment.offsetNanos);
  };
  const nameOf = (stream: string): string => `${run}.${stream}`;

  async function append(store: ContractStore, request: Request): Promise<object> {
    const { stream, commitId } = request;
    const answer = await store.append({ ...request, events: [...request.events] });
    if (answer.firstVersion !== 0n && !answer.replayed) {
      const head: Head = await store.version(stream);
      if (head.position !== answer.position) throw new Error('the head is another commit than the appended');
      commits.push({ position: head.position, time: head.commitTime ?? 0n });
      versions.set(stream, head.version);
      const range = { from: answer.firstVersion, to: head.version };
      commitsOf.set(stream, [...(commitsOf.get(stream) ?? []), range]);
    }
    const filledIn = commitId === '' && answer.commitId !== '' ? 'filled in' : answer.commitId;
    return { ...comparable(answer), commitId: filledIn };
  }

  function appendRequest(operation: AppendOperation, index: number): Request {
    const stream = nameOf(operation.stream);
    const { expectedOffset, commitId, withCommitTime } = operation;
    const version = versions.get(stream) ?? 0n;
    const request: Request = {
      stream,
      events: eventsOf(operation, `${run}-${index}`, run),
      ...expectationOf(version, expectedOffset),
      commitId: commitId === undefined ? '' : commitIdOf(run, commitId),
      withCommitTime,
      condition: operation.condition && conditionOf(operation.condition, stream),
    };
    if (request.commitId !== '' && request.events.length > 0) requests.push(request);
    return request;
  }

  function conditionOf(
    { items, after, isWithin }: ChosenCondition,
    stream: string,
  ): DeepPartial<AppendCondition> {
    // Events before the run may match as well, but are the same in no other store.
    const commit = after === undefined ? undefined : chosen(commits, after);
    const withinStream = isWithin ? stream : '';
    return { query: queryOf(items), afterPosition: commit?.position ?? base, withinStream };
  }

  async function repeat(store: ContractStore, operation: RepeatOperation): Promise<unknown> {
    const earlier = chosen(requests, operation.earlier);
    if (earlier === undefined) return 'nothing to repeat';
    const { expectedShift } = operation;
    const base = earlier.expectedVersion ?? versions.get(earlier.stream) ?? 0n;
    return append(store, { ...earlier, ...expectationOf(base, expectedShift) });
  }

  async function read(store: ContractStore, operation: ReadOperation): Promise<object> {
    const { stream, direction, consistency, lowest, highest, eventTypes, maxCount, pageEvents } = operation;
    const [from, to] = direction === Direction.FORWARD ? [lowest, highest] : [highest, lowest];
    // Such a read may lag behind, except for what was read before it.
    if (consistency === Consistency.ANY_REPLICA) await store.version(nameOf(stream)).catch(() => undefined);
    const answer = await store.read({
      stream: nameOf(stream),
      direction,
      consistency,
      fromVersion: BigInt(from),
      toVersion: BigInt(to),
      fromTime: timestamp(momentOf(operation.fromTime)),
      toTime: timestamp(momentOf(operation.toTime)),
      eventTypes: [...eventTypes],
      maxCount: BigInt(maxCount),
      page: { eventsMax: pageEvents },
    });
    return { ...comparable(answer), events: allComparable(answer.events) };
  }

  const described = ({ controlPosition, erased, ...stream }: Described): object => ({
    ...comparable(stream),
    erased: erased.map(comparable),
    controlPosition: positionNumber(controlPosition),
  });

  async function control(store: ContractStore, operation: ControlOperation): Promise<object> {
    const { control: chosenControl, expectedOffset, commitId } = operation;
    const stream = nameOf(operation.stream);
    const version = versions.get(stream) ?? 0n;
    const before = await store.version(stream);
    const answer = await carryOut(
      store,
      chosenControl,
      { version, commits: commitsOf.get(stream) ?? [] },
      {
        stream,
        expectedVersion: expectationOf(version, expectedOffset).expectedVersion,
        commitId: commitId === undefined ? '' : commitIdOf(run, commitId),
      },
    );
    const { position, commitTime } = await store.version(stream);
    if (position !== before.position) commits.push({ position, time: commitTime ?? 0n });
    const hasOwnId = commitId !== undefined || answer.commitId === '';
    return {
      ...answer,
      commitId: hasOwnId ? answer.commitId : 'filled in',
      stream: described(answer.stream),
    };
  }

  async function readAll(store: ContractStore, operation: AllOperation): Promise<object> {
    const { direction, maxCount, eventTypes, items } = operation;
    const { events, end } = await store.all({
      ...{ direction, maxCount: BigInt(maxCount), eventTypes: [...eventTypes] },
      patterns: [`${run}.>`],
      query: queryOf(items),
    });
    return { end, events: allComparable(events) };
  }

  async function followAll(store: ContractStore, operation: FollowOperation): Promise<object[]> {
    const query = queryOf(operation.items);
    await using follower = new Follower(store, { patterns: [`${run}.>`], query });
    const events: StoredEvent[] = [];
    for (;;) {
      const update = await follower.next();
      if (update.kind === 'caughtUp') return allComparable(events);
      events.push(...update.events);
    }
  }

  async function answerTo(operation: Operation, index: number): Promise<unknown> {
    const store = gateways[operation.via % gateways.length] as ContractStore;
    switch (operation.kind) {
      case 'append':
        return append(store, appendRequest(operation, index));
      case 'repeat':
        return repeat(store, operation);
      case 'control':
        return control(store, operation);
      case 'describe':
        return described(await store.describe(nameOf(operation.stream)));
      case 'all':
        return readAll(store, operation);
      case 'follow':
        return followAll(store, operation);
      case 'read':
        return read(store, operation);
      case 'version':
        return comparable(await store.version(nameOf(operation.stream), momentOf(operation.asOf)));
      case 'correlation': {
        const answer = await store.correlation({
          correlationId: `${run}-c${operation.correlation}`,
          eventTypes: [...operation.eventTypes],
          maxCount: BigInt(operation.maxCount),
        });
        return { ...comparable(answer), events: allComparable(answer.events) };
      }
      case 'list': {
        const { pattern, after, maxCount, includeDeleted } = operation;
        const request = {
          pattern: nameOf(pattern),
          after: after && nameOf(after),
          includeDeleted,
          maxCount: BigInt(maxCount),
        };
        return (await store.list(request)).map(comparable);
      }
    }
  }

  return {
    async run(operation, index) {
      try {
        return await answerTo(operation, index);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        const { position, ...data } = error.data;
        return {
          reason: error.reason,
          ...data,
          ...(typeof position === 'bigint' && { position: positionNumber(position) }),
        };
      }
    },
  };
}

/** Of a commit. */
interface VersionRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** What is known of a stream. */
interface Known {
  readonly version: bigint;
  readonly commits: readonly VersionRange[];
}

interface ControlRequest {
  readonly stream: string;
  readonly expectedVersion: bigint | undefined;
  readonly commitId: string;
}

function carryOut(
  store: ContractStore,
  control: ControlOperation['control'],
  { version, commits }: Known,
  request: ControlRequest,
): Promise<Controlled> {
  switch (control.kind) {
    case 'truncate': {
      const before = version + BigInt(control.before);
      return store.truncate({ ...request, beforeVersion: before < 1n ? 1n : before });
    }
    case 'retain': {
      const { maxCount, maxAgeSeconds: seconds } = control;
      const maxAge = seconds === 0 ? undefined : { seconds: BigInt(seconds) };
      return store.retain({ ...request, retention: { maxCount: BigInt(maxCount), maxAge } });
    }
    case 'remove':
      return store.remove(request);
    case 'tombstone':
      return store.tombstone(request);
    case 'erase': {
      const { from: fromVersion = 1n } = chosen(commits, control.from) ?? {};
      const { to = 1n } = chosen(commits, control.to) ?? {};
      const toVersion = to + BigInt(control.shift);
      return store.erase({ ...request, fromVersion, toVersion, reason: 'why' });
    }
  }
}

function queryOf(items: readonly ChosenItem[]): { items: DeepPartial<QueryItem>[] } | undefined {
  if (items.length === 0) return undefined;
  return { items: items.map(({ eventTypes, tags }) => ({ eventTypes: [...eventTypes], tags: [...tags] })) };
}

function chosen<T>(all: readonly T[], share: Share): T | undefined {
  return all[Math.floor((share * all.length) / 1_000)];
}

/** Of a version with an offset, or of a stream that must exist; undefined: any version will do. */
function expectationOf(
  version: bigint,
  offset: number | 'exists' | undefined,
): Pick<Request, 'expectedVersion' | 'mustExist'> {
  if (typeof offset !== 'number') return { expectedVersion: undefined, mustExist: offset === 'exists' };
  const sum = version + BigInt(offset);
  return { expectedVersion: sum < 0n ? 0n : sum, mustExist: false };
}

const largeText = 'x'.repeat(3_000);

function eventsOf({ events }: AppendOperation, idPrefix: string, run: string): DeepPartial<Event>[] {
  return events.map(({ type, correlation, tags, large }, index) => ({
    id: `${idPrefix}-${index}`,
    type,
    tags: [...tags],
    payload: { $case: 'text', value: large ? largeText : '' },
    correlationId: correlation === undefined ? '' : `${run}-c${correlation}`,
  }));
}

/** A UUID that has the number of the run and that of the id. */
function commitIdOf(run: string, number: number): string {
  return `0190f3a1-4444-7000-800${number}-${run.replace(/\D/g, '').padStart(12, '0')}`;
}
