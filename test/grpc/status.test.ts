import fc from 'fast-check';
import { BadRequest, ErrorInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import { VersionConflicts } from '../../generated/sluice/v1/errors';
import { AccessDeniedError, QuotaExceededError, UnauthenticatedError } from '../../src/auth/errors';
import { UnexpectedError, type Failure } from '../../src/grpc/failure';
import { toStatus } from '../../src/grpc/status';
import * as errors from '../../src/store/errors';
import { GroupError, type GroupErrorCode } from '../../src/store/group-errors';
import { position, version, type CommitId, type StreamName } from '../../src/store/values';

/** What proxies and clients take without harm. */
const trailersBytesMax = 3_072;
const longestId = '~'.repeat(128);

/** All trailers as they are sent: names, values, and the code. */
function trailersBytes(error: Failure): number {
  const { details, metadata } = toStatus(error, longestId);
  const [encoded] = metadata.get('grpc-status-details-bin') as [Buffer];
  const lines = [
    ['grpc-status', '16'],
    ['grpc-message', encodeURI(details)],
    ['grpc-status-details-bin', encoded.toString('base64')],
    ['x-request-id', longestId],
  ];
  return lines.join('').length;
}

function detailsOf(error: Failure): Map<string, Uint8Array> {
  const [encoded] = toStatus(error, longestId).metadata.get('grpc-status-details-bin') as [Buffer];
  const { details } = Status.decode(encoded);
  return new Map(details.map(({ typeUrl, value }) => [typeUrl.split('.').at(-1) as string, value]));
}

/** Texts of all lengths and scripts, half surrogate pairs included. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 700, size: 'max' }),
  fc.string({
    unit: fc.constantFrom('€', ' ', 'x', '\u{1f4a7}', '\ud83d', '%'),
    maxLength: 700,
    size: 'max',
  }),
);
const stream = fc.string({
  unit: fc.constantFrom('a', 'B', '-', '=', '~'),
  minLength: 1,
  maxLength: 200,
}) as fc.Arbitrary<StreamName>;
const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const commitId = fc.uuid() as fc.Arbitrary<CommitId>;
const violations = fc.array(fc.record({ field: text, description: text }), {
  minLength: 1,
  maxLength: 64,
  size: 'max',
});
const conflict = fc.record({ stream, expected: number.map(version), actual: number.map(version) });
const ofGroup = (code: GroupErrorCode): fc.Arbitrary<Failure> =>
  text.map((message) => new GroupError(code, message));

const kinds: { readonly [Code in Failure['code']]: fc.Arbitrary<Failure> } = {
  INVALID_REQUEST: violations.map((some) => new errors.InvalidRequestError(some)),
  VERSION_CONFLICT: fc
    .tuple(conflict, fc.array(conflict, { maxLength: 200, size: 'max' }))
    .map(([first, others]) => new errors.VersionConflictError(first, others)),
  UNAUTHENTICATED: fc
    .tuple(fc.constantFrom('missing' as const, 'expired' as const, 'invalid' as const), text)
    .map(([reason, message]) => new UnauthenticatedError(reason, message)),
  ACCESS_DENIED: stream.map((name) => new AccessDeniedError('append', name)),
  QUOTA_EXCEEDED: text.map((message) => new QuotaExceededError('appends_per_s', 1_000, message)),
  APPEND_CONDITION_FAILED: fc
    .tuple(fc.nat(63), number, text)
    .map(([item, at, eventId]) => new errors.AppendConditionError({ item, position: position(at), eventId })),
  CONDITION_CONTENDED: fc.constant(new errors.ConditionContendedError(20)),
  COMMIT_ID_REUSE: fc
    .tuple(commitId, text, number)
    .map(([id, name, at]) => new errors.CommitIdReuseError(id, name, position(at))),
  STREAM_NOT_FOUND: stream.map((name) => new errors.StreamNotFoundError(name)),
  STREAM_TOMBSTONED: stream.map((name) => new errors.StreamTombstonedError(name)),
  VERSION_BEYOND_END: fc
    .tuple(stream, number)
    .map(([name, at]) => new errors.VersionBeyondEndError(name, version(at), version(at))),
  ERASE_SPLITS_COMMIT: fc
    .tuple(stream, number)
    .map(([name, at]) => new errors.EraseSplitsCommitError(name, version(at), version(at))),
  STORE_IMMUTABLE: text.map((message) => new errors.StoreImmutableError(message)),
  STORE_UNAVAILABLE: text.map((message) => new errors.StoreUnavailableError(message)),
  REPLICA_FILLING: fc
    .tuple(number, number)
    .map(([applied, end]) => new errors.ReplicaFillingError(position(applied), position(end), 1_000)),
  OUTCOME_UNKNOWN: fc.tuple(stream, commitId).map(([name, id]) => new errors.OutcomeUnknownError(name, id)),
  OVERLOADED: text.map((message) => new errors.OverloadedError('appendsMax', message)),
  STORE_FULL: text.map((message) => new errors.StoreFullError(message)),
  STORE_REFUSED: text.map((message) => new errors.StoreRefusedError(message, 10_000)),
  STORE_MISMATCH: fc
    .tuple(text, text)
    .map(([expected, actual]) => new errors.StoreMismatchError(expected, actual)),
  UNREADABLE_COMMIT: fc
    .tuple(text, number, text)
    .map(([name, at, reason]) => new errors.UnreadableCommitError(name, position(at), reason)),
  NOT_PERMITTED: text.map((message) => new errors.NotPermittedError(message)),
  DEADLINE_EXCEEDED: text.map((message) => new errors.DeadlineExceededError(message)),
  CANCELLED: text.map((message) => new errors.CancelledError(message)),
  INTERNAL: text.map((message) => new UnexpectedError(new Error(message))),
  GROUP_NOT_FOUND: ofGroup('GROUP_NOT_FOUND'),
  GROUP_EXISTS: ofGroup('GROUP_EXISTS'),
  GROUP_CHANGED: ofGroup('GROUP_CHANGED'),
  GROUP_HAS_MEMBERS: ofGroup('GROUP_HAS_MEMBERS'),
  GROUP_AHEAD_OF_STORE: ofGroup('GROUP_AHEAD_OF_STORE'),
  GROUP_STATE_UNREADABLE: ofGroup('GROUP_STATE_UNREADABLE'),
  POSITION_BEYOND_END: ofGroup('POSITION_BEYOND_END'),
  MEMBER_EXISTS: ofGroup('MEMBER_EXISTS'),
  MEMBER_STALLED: ofGroup('MEMBER_STALLED'),
  DELIVERY_NOT_HELD: ofGroup('DELIVERY_NOT_HELD'),
};

test.each(Object.entries(kinds))(
  'the trailers of %s stay below 3 KiB, whatever it is about',
  (code, some) => {
    fc.assert(
      fc.property(some, (error) => {
        expect(trailersBytes(error)).toBeLessThan(trailersBytesMax);
        const { reason } = ErrorInfo.decode(detailsOf(error).get('ErrorInfo') as Uint8Array);
        expect(reason).toBe(code);
      }),
      { numRuns: 50, endOnFailure: true },
    );
  },
);

test('as many violations as fit, and how many are left out', () => {
  const some = (count: number): Failure =>
    new errors.InvalidRequestError(
      Array.from({ length: count }, (_, i) => ({ field: `events[${i}].id`, description: 'x'.repeat(100) })),
    );
  const shownOf = (count: number): readonly [number, string | undefined] => {
    const details = detailsOf(some(count));
    const { metadata } = ErrorInfo.decode(details.get('ErrorInfo') as Uint8Array);
    const { fieldViolations } = BadRequest.decode(details.get('BadRequest') as Uint8Array);
    return [fieldViolations.length, metadata.get('left_out')];
  };
  expect(shownOf(3)).toEqual([3, undefined]);
  const [shown, leftOut] = shownOf(32);
  expect(shown).toBeGreaterThan(5);
  expect(leftOut).toBe(String(32 - shown));
});

test('as many conflicts as fit, and the count of all', () => {
  const conflictOf = (i: number) => ({
    stream: `order.${i}` as StreamName,
    expected: version(1n),
    actual: version(2n),
  });
  const error = new errors.VersionConflictError(
    conflictOf(0),
    Array.from({ length: 99 }, (_, i) => conflictOf(i + 1)),
  );
  const all = VersionConflicts.decode(detailsOf(error).get('VersionConflicts') as Uint8Array);
  expect(all.count).toBe(100);
  expect(all.conflicts.length).toBeGreaterThan(10);
});
