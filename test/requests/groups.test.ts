import type { Duration } from '../../generated/google/protobuf/duration';
import {
  type ConsumeRequest,
  type CreateGroupRequest,
  DropParkedRequest,
  GroupSettings,
  Join,
  ListGroupsRequest,
  ListParkedRequest,
  ReplayParkedRequest,
  ResetGroupRequest,
  UpdateGroupRequest,
} from '../../generated/sluice/v1/consumer_group_service';
import { defaultLimits } from '../../src/limits';
import { parseCreateGroup, parseResetGroup, parseUpdateGroup } from '../../src/requests/change-group';
import { parseJoin, parseMemberRequest } from '../../src/requests/consume';
import { parseGetGroup, parseListGroups } from '../../src/requests/look-at-groups';
import { parseDropParked, parseListParked, parseReplayParked } from '../../src/requests/parked-events';
import type { CreateGroup } from '../../src/store/consumer-groups';
import { InvalidRequestError } from '../../src/store/errors';

/** Parsers of the requests of groups: what is left out gets its default, and all that is wrong is named by its path. */

const ms = (value: number): Duration => ({
  seconds: BigInt(Math.trunc(value / 1_000)),
  nanos: (value % 1_000) * 1_000_000,
});

function faultsOf(parse: () => unknown): readonly string[] {
  try {
    parse();
    return [];
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    return error.violations.map(({ field }) => field);
  }
}

const create =
  (fields: Partial<CreateGroupRequest>): (() => CreateGroup) =>
  () =>
    parseCreateGroup({ group: 'g', settings: undefined, start: undefined, ...fields }, defaultLimits);
const settings = (fields: Partial<GroupSettings>): (() => CreateGroup) =>
  create({ settings: { ...GroupSettings.fromPartial({}), ...fields } });
const says = (request: NonNullable<ConsumeRequest['request']>) => () =>
  parseMemberRequest({ request }, defaultLimits);
const join = (fields: Partial<Join>) => () =>
  parseJoin(
    { request: { $case: 'join', value: { ...Join.fromPartial({}), group: 'g', ...fields } } },
    defaultLimits,
  );

test('what is left out gets its default', () => {
  expect(create({})()).toEqual({
    name: 'g',
    settings: {
      filter: { patterns: ['>'], eventTypes: new Set(), eventTypePrefixes: [] },
      lanes: 32,
      attemptsMax: 10,
      backoffMinMs: 1_000,
      backoffMaxMs: 60_000,
      ackTimeoutMs: 30_000,
      handoverTimeoutMs: 5_000,
      parkedMax: 1_000,
      parkFollowing: false,
      skipUnreadable: false,
    },
    start: { kind: 'beginning' },
  });
  expect(join({})()).toEqual({ group: 'g', member: undefined, inFlightMax: 64, heartbeatMs: undefined });
});

test('what is given is kept, also where it is 0', () => {
  expect(settings({ attemptsMax: 0, backoffMin: ms(10), ackTimeout: ms(1_500) })().settings).toMatchObject({
    attemptsMax: 0,
    backoffMinMs: 10,
    ackTimeoutMs: 1_500,
  });
  expect(create({ start: { place: { $case: 'afterPosition', value: 7n } } })().start).toEqual({
    kind: 'position',
    after: 7n,
  });
  expect(says({ $case: 'retry', value: { delivery: 3n, handled: 1, delay: ms(0), reason: 'no' } })()).toEqual(
    {
      kind: 'fail',
      delivery: 3n,
      handled: 1,
      failed: { kind: 'retry', delayMs: 0, reason: 'no' },
    },
  );
});

test('1,000 bytes of a reason are kept, and no half of a character', () => {
  const reason = `${'x'.repeat(998)}€`;
  const parsed = says({ $case: 'park', value: { delivery: 1n, handled: 0, reason } })();
  expect(parsed).toMatchObject({ failed: { kind: 'park', reason: 'x'.repeat(998) } });
});

const many = (count: number): bigint[] => Array.from({ length: count }, (_, i) => BigInt(i));

test.each<[path: string, parse: () => unknown]>([
  ['group', create({ group: '' })],
  ['group', create({ group: 'a.b' })],
  ['group', create({ group: 'x'.repeat(101) })],
  ['settings.patterns[1]', settings({ patterns: ['a', 'b..c'] })],
  ['settings.event_types[0]', settings({ eventTypes: [''] })],
  ['settings.event_type_prefixes[0]', settings({ eventTypePrefixes: ['x'.repeat(201)] })],
  ['settings.query.items', settings({ query: { items: [] } })],
  [
    'settings.query.items[0].tags',
    settings({ query: { items: [{ eventTypes: [], tags: Array<string>(17).fill('t') }] } }),
  ],
  ['settings.lanes', settings({ lanes: 257 })],
  ['settings.parked_max', settings({ parkedMax: 100_001 })],
  ['settings.backoff_min', settings({ backoffMin: ms(9) })],
  ['settings.backoff_min', settings({ backoffMin: ms(2_000), backoffMax: ms(1_000) })],
  ['settings.backoff_max', settings({ backoffMax: ms(3_600_001) })],
  ['settings.ack_timeout', settings({ ackTimeout: ms(999) })],
  ['settings.handover_timeout', settings({ handoverTimeout: ms(300_001) })],
  ['start.end', create({ start: { place: { $case: 'end', value: false } } })],
  ['start.from_time', create({ start: { place: { $case: 'fromTime', value: { seconds: -1n, nanos: 0 } } } })],
  ['settings', () => parseUpdateGroup(UpdateGroupRequest.fromPartial({ group: 'g' }), defaultLimits)],
  ['to', () => parseResetGroup(ResetGroupRequest.fromPartial({ group: 'g' }))],
  ['group', () => parseGetGroup({ group: 'a b' })],
  ['after', () => parseListGroups(ListGroupsRequest.fromPartial({ after: 'a b' }))],
  ['stream', () => parseListParked(ListParkedRequest.fromPartial({ group: 'g', stream: 'a..b' }))],
  ['version', () => parseReplayParked(ReplayParkedRequest.fromPartial({ group: 'g', version: 2n }))],
  ['stream', () => parseDropParked(DropParkedRequest.fromPartial({ group: 'g' }))],
  ['all', () => parseDropParked(DropParkedRequest.fromPartial({ group: 'g', stream: 's', all: true }))],
  ['join.group', join({ group: '' })],
  ['join.member', join({ member: 'a.b' })],
  ['join.max_in_flight', join({ maxInFlight: 1_000_000 })],
  ['join.heartbeat_interval', join({ heartbeatInterval: ms(999) })],
  ['join', () => parseJoin({ request: { $case: 'leave', value: {} } }, defaultLimits)],
  ['join', says({ $case: 'join', value: Join.fromPartial({}) })],
  ['request', () => parseMemberRequest({ request: undefined }, defaultLimits)],
  ['ack.deliveries', says({ $case: 'ack', value: { deliveries: many(10_001) } })],
  ['extend.deliveries', says({ $case: 'extend', value: { deliveries: many(10_001) } })],
  [
    'retry.delay',
    says({ $case: 'retry', value: { delivery: 1n, handled: 0, delay: ms(3_600_001), reason: '' } }),
  ],
])('%s is wrong', (path, parse) => {
  expect(faultsOf(parse)).toEqual([path]);
});

test('at its bounds, everything is right', () => {
  expect(faultsOf(settings({ lanes: 256, parkedMax: 100_000, backoffMax: ms(3_600_000) }))).toEqual([]);
  expect(faultsOf(join({ maxInFlight: 10_000, member: 'x'.repeat(100) }))).toEqual([]);
  expect(faultsOf(says({ $case: 'ack', value: { deliveries: many(10_000) } }))).toEqual([]);
});
