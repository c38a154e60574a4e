import fc from 'fast-check';
import { Consistency, Direction } from '../../generated/sluice/v1/event_store_service';

/** Things to do with a store, chosen at random, as plain data: few streams, few ids, so that they meet often. */
export type Operation =
  | AppendOperation
  | RepeatOperation
  | ControlOperation
  | DescribeOperation
  | ReadOperation
  | AllOperation
  | FollowOperation
  | VersionOperation
  | CorrelationOperation
  | ListOperation;

export interface AppendOperation {
  readonly kind: 'append';
  /** Which of the gateways. */
  readonly via: number;
  readonly stream: string;
  readonly events: readonly ChosenEvent[];
  /** From the version of the stream; undefined: any version will do. */
  readonly expectedOffset: number | 'exists' | undefined;
  /** One of a few commit ids; undefined: none. */
  readonly commitId: number | undefined;
  readonly withCommitTime: boolean;
  readonly condition: ChosenCondition | undefined;
}

export interface ChosenCondition {
  readonly items: readonly ChosenItem[];
  /** The commit after which events count; undefined: all events of the run count. */
  readonly after: Share | undefined;
  /** Whether only events of the stream count. */
  readonly isWithin: boolean;
}

export interface ControlOperation {
  readonly kind: 'control';
  readonly via: number;
  readonly stream: string;
  readonly control: ChosenControl;
  /** From the version of the stream; undefined: any version will do. */
  readonly expectedOffset: number | undefined;
  /** One of a few commit ids, which appends use as well; undefined: none. */
  readonly commitId: number | undefined;
}

export type ChosenControl =
  /** `before`: from the version of the stream. */
  | { readonly kind: 'truncate'; readonly before: number }
  /** 0: no bound. An age hides nothing in the time of a run. */
  | { readonly kind: 'retain'; readonly maxCount: number; readonly maxAgeSeconds: number }
  | { readonly kind: 'remove' }
  | { readonly kind: 'tombstone' }
  /** From one commit of the stream through another; `shift` is added to the last version, so that mostly a commit is split. */
  | { readonly kind: 'erase'; readonly from: Share; readonly to: Share; readonly shift: number };

export interface DescribeOperation {
  readonly kind: 'describe';
  readonly via: number;
  readonly stream: string;
}

/** A read of all streams of the run. */
export interface AllOperation {
  readonly kind: 'all';
  readonly via: number;
  readonly direction: Direction;
  readonly eventTypes: readonly string[];
  /** Empty: no query. */
  readonly items: readonly ChosenItem[];
  readonly maxCount: number;
}

/** An item of a query: with types, tags, or both. */
export interface ChosenItem {
  readonly eventTypes: readonly string[];
  readonly tags: readonly string[];
}

/** A subscription to all streams of the run, from the beginning until it has caught up. */
export interface FollowOperation {
  readonly kind: 'follow';
  readonly via: number;
  /** Empty: no query. */
  readonly items: readonly ChosenItem[];
}

/** The same append as one before, as far as its caller knows, or nearly so. */
export interface RepeatOperation {
  readonly kind: 'repeat';
  readonly via: number;
  readonly earlier: Share;
  /** By how much it expects another version than it did; undefined: any version will do. */
  readonly expectedShift: number | 'exists' | undefined;
}

/** Which of the things that there are by then, in thousandths of their number. */
export type Share = number;

export interface ChosenEvent {
  readonly type: string;
  /** undefined: the event's own. */
  readonly correlation: number | undefined;
  readonly tags: readonly string[];
  /** Three of them do not fit into one message. */
  readonly large: boolean;
}

/** The time of a commit that was stored before, and a little before or after it. */
export interface Moment {
  readonly commit: Share;
  readonly offsetNanos: number;
}

export interface ReadOperation {
  readonly kind: 'read';
  readonly via: number;
  readonly stream: string;
  readonly direction: Direction;
  readonly consistency: Consistency;
  readonly lowest: number;
  readonly highest: number;
  readonly fromTime: Moment | undefined;
  readonly toTime: Moment | undefined;
  readonly eventTypes: readonly string[];
  readonly maxCount: number;
  readonly pageEvents: number;
}

export interface VersionOperation {
  readonly kind: 'version';
  readonly via: number;
  readonly stream: string;
  readonly asOf: Moment | undefined;
}

export interface CorrelationOperation {
  readonly kind: 'correlation';
  readonly via: number;
  readonly correlation: number;
  readonly eventTypes: readonly string[];
  readonly maxCount: number;
}

export interface ListOperation {
  readonly kind: 'list';
  readonly via: number;
  readonly pattern: string;
  readonly after: string;
  readonly maxCount: number;
  readonly includeDeleted: boolean;
}

/** Names that are prefixes of each other, in the sense of text and of tokens. */
export const streams = ['a', 'a.b', 'ab'] as const;
const types = ['A', 'B', 'C'];

/** A record that a counterexample shows as plain data. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });

const via = fc.nat(1);
const stream = fc.constantFrom(...streams);
const eventTypes = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.subarray(types, { minLength: 1 }));
const maxCount = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 8 }));
const correlation = fc.nat(2);
const share = fc.nat(999);
const moment = record({ commit: share, offsetNanos: fc.integer({ min: -1, max: 1 }) });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const tags = ['s', 't', 'u'];
const item: fc.Arbitrary<ChosenItem> = fc.oneof(
  record({ eventTypes, tags: fc.subarray(tags, { minLength: 1 }) }),
  record({ eventTypes: fc.subarray(types, { minLength: 1 }), tags: fc.subarray(tags) }),
);
const items = fc.oneof(fc.constant([]), {
  weight: 2,
  arbitrary: fc.array(item, { minLength: 1, maxLength: 3 }),
});

const event: fc.Arbitrary<ChosenEvent> = record({
  type: fc.constantFrom(...types),
  tags: fc.subarray(tags),
  correlation: maybe(correlation),
  large: fc.boolean(),
});

const condition: fc.Arbitrary<ChosenCondition> = record({
  items: fc.array(item, { minLength: 1, maxLength: 2 }),
  after: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 600, max: 999 }) }, fc.constant(undefined)),
  isWithin: fc.nat(2).map((number) => number === 0),
});

const append: fc.Arbitrary<AppendOperation> = record({
  kind: fc.constant('append'),
  via,
  stream,
  events: fc.oneof(
    { weight: 9, arbitrary: fc.array(event, { minLength: 1, maxLength: 6 }) },
    fc.constant([]),
  ),
  expectedOffset: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(undefined, 0) },
    fc.integer({ min: -8, max: 2 }),
    fc.constant('exists' as const),
  ),
  commitId: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, fc.nat(6)),
  withCommitTime: fc.boolean(),
  condition: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, condition),
});

const repeat: fc.Arbitrary<RepeatOperation> = record({
  kind: fc.constant('repeat'),
  via,
  earlier: share,
  expectedShift: fc.oneof(
    fc.constantFrom(undefined, 0),
    fc.integer({ min: -4, max: 8 }),
    fc.constant('exists' as const),
  ),
});

const truncation: fc.Arbitrary<ChosenControl> = record({
  kind: fc.constant('truncate'),
  before: fc.integer({ min: -6, max: 3 }),
});
const retention: fc.Arbitrary<ChosenControl> = record({
  kind: fc.constant('retain'),
  maxCount: fc.nat(5),
  maxAgeSeconds: fc.constantFrom(0, 3_600),
});
const removal: fc.Arbitrary<ChosenControl> = record({ kind: fc.constant('remove') });
const ending: fc.Arbitrary<ChosenControl> = record({ kind: fc.constant('tombstone') });
const erasure: fc.Arbitrary<ChosenControl> = record({
  kind: fc.constant('erase'),
  from: share,
  to: share,
  shift: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(-1, 1)),
});
const chosenControl = fc.oneof(
  { weight: 3, arbitrary: truncation },
  { weight: 2, arbitrary: retention },
  { weight: 2, arbitrary: removal },
  { weight: 1, arbitrary: ending },
  { weight: 3, arbitrary: erasure },
);

const control: fc.Arbitrary<ControlOperation> = record({
  kind: fc.constant('control'),
  via,
  stream,
  control: chosenControl,
  expectedOffset: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(undefined, 0) },
    fc.integer({ min: -3, max: 1 }),
  ),
  commitId: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, fc.nat(6)),
});

const all: fc.Arbitrary<AllOperation> = record({
  kind: fc.constant('all'),
  via,
  direction: fc.constantFrom(Direction.FORWARD, Direction.BACKWARD),
  eventTypes,
  items,
  maxCount,
});

const version = fc.oneof(fc.constant(0), { weight: 2, arbitrary: fc.nat(16) });

const read: fc.Arbitrary<ReadOperation> = record({
  kind: fc.constant('read' as const),
  via,
  stream,
  direction: fc.constantFrom(Direction.FORWARD, Direction.BACKWARD),
  consistency: fc.constantFrom(Consistency.LEADER, Consistency.ANY_REPLICA),
  versions: fc.tuple(version, version),
  times: fc.tuple(maybe(moment), maybe(moment)),
  eventTypes,
  maxCount,
  pageEvents: fc.nat(3),
}).map(({ versions: [one, other], times: [from, to], ...rest }) => {
  // Mostly the right way round; the same commit with other offsets is left as it is.
  const isReversed = from !== undefined && to !== undefined && from.commit > to.commit;
  return {
    ...rest,
    lowest: Math.min(one, other),
    highest: Math.max(one, other),
    fromTime: isReversed ? to : from,
    toTime: isReversed ? from : to,
  };
});

const list: fc.Arbitrary<ListOperation> = record({
  kind: fc.constant('list'),
  via,
  pattern: fc.constantFrom('>', '*', '*.*', 'a.>', 'a', 'a.*', 'none'),
  after: fc.constantFrom('', 'a', 'a-', 'a.b', 'aa', 'ab'),
  maxCount: fc.nat(3),
  includeDeleted: fc.boolean(),
});

export const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: append },
    { weight: 3, arbitrary: repeat },
    { weight: 4, arbitrary: control },
    { weight: 1, arbitrary: record({ kind: fc.constant('describe'), via, stream }) },
    { weight: 2, arbitrary: all },
    { weight: 1, arbitrary: record({ kind: fc.constant('follow'), via, items }) },
    { weight: 6, arbitrary: read },
    { weight: 2, arbitrary: record({ kind: fc.constant('version'), via, stream, asOf: maybe(moment) }) },
    {
      weight: 2,
      arbitrary: record({ kind: fc.constant('correlation'), via, correlation, eventTypes, maxCount }),
    },
    { weight: 1, arbitrary: list },
  ),
  { minLength: 1, maxLength: 40, size: 'max' },
);
