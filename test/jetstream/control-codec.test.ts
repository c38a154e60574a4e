import * as fc from 'fast-check';
import { ControlRecord } from '../../generated/sluice/v1/stream_service';
import {
  controlMessage,
  decodeControl,
  encodeControl,
  isControlMessage,
  readControl,
} from '../../src/jetstream/log/control-codec';
import { createEntries } from '../../src/jetstream/log/log-entries';
import type { StoredMessage } from '../../src/jetstream/nats/message';
import { defaultLimits } from '../../src/limits';
import { isControl, isDamage } from '../../src/store/log';
import {
  noRules,
  rulesAfter,
  type Retention,
  type StreamControl,
  type StreamRules,
} from '../../src/store/stream-rules';
import { beginning, sequence, version, type CommitId } from '../../src/store/values';

/** Controls as messages, and back. */

const uint64 = 2n ** 64n - 1n;
const ageNanosMax = 100n * 366n * 86_400n * 1_000_000_000n;

const retentions: fc.Arbitrary<Retention> = fc.record({
  maxCount: fc.option(fc.bigInt(1n, uint64), { nil: undefined }),
  maxAgeNanos: fc.option(fc.bigInt(1n, ageNanosMax), { nil: undefined }),
});
const versions = fc.bigInt(1n, BigInt(Number.MAX_SAFE_INTEGER)).map(version);
const controls: fc.Arbitrary<StreamControl> = fc.oneof(
  versions.map((before) => ({ kind: 'truncate' as const, before })),
  retentions.map((retention) => ({ kind: 'retain' as const, retention })),
  fc.constant({ kind: 'delete' as const }),
  fc.constant({ kind: 'tombstone' as const }),
  fc
    .tuple(versions, versions, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }))
    .map(([one, other, reason]) => ({
      kind: 'erase' as const,
      fromVersion: one < other ? one : other,
      toVersion: one < other ? other : one,
      reason,
    })),
);
const rules: fc.Arbitrary<StreamRules> = fc
  .record({ firstVersion: versions, retention: retentions, end: fc.constantFrom(0, 1, 2) })
  .map(({ firstVersion, retention, end }) => ({
    firstVersion,
    isDeleted: end > 0,
    isTombstoned: end > 1,
    ...retention,
  }));

const commitId = '0190a1b2-0000-7000-8000-000000000001' as CommitId;

/** A control as the log has it, with some headers changed; undefined: without the header. */
function stored(
  control: StreamControl,
  { set = {}, body }: { set?: Readonly<Record<string, string | undefined>>; body?: Uint8Array } = {},
): StoredMessage {
  const at = version(5n);
  const message = controlMessage('es.a', {
    control,
    rules: rulesAfter(noRules, at, control),
    version: at,
    previous: sequence(7n),
    commitId,
    principal: undefined,
  });
  const headers = Object.entries<string | undefined>({ ...message.headers, ...set }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    subject: 'es.a',
    sequence: sequence(9n),
    timeNanos: 11n,
    headers: `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    body: body ?? message.body,
  };
}

test('a control is decoded as it was encoded', () => {
  fc.assert(
    fc.property(controls, rules, (control, after) => {
      expect(decodeControl(encodeControl(control, after))).toEqual({ control, rules: after });
    }),
    { numRuns: 2_000 },
  );
});

test('whatever the bytes are, they are a control that is encoded as the same, or none', () => {
  let readable = 0;
  fc.assert(
    fc.property(
      controls,
      rules,
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 2 }),
      (control, after, changes) => {
        const bytes = Buffer.from(encodeControl(control, after));
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
        let found: ReturnType<typeof decodeControl>;
        try {
          found = decodeControl(bytes);
        } catch {
          return;
        }
        if (found === undefined) return;
        readable++;
        expect(decodeControl(encodeControl(found.control, found.rules))).toEqual(found);
      },
    ),
    { numRuns: 5_000 },
  );
  expect(readable).toBeGreaterThan(100);
});

test('the message is the one of docs/storage.md', () => {
  const control = { kind: 'truncate', before: version(3n) } as const;
  const message = controlMessage('es.order.42', {
    control,
    rules: rulesAfter(noRules, version(5n), control),
    version: version(5n),
    previous: sequence(7n),
    commitId,
    principal: 'corp:alice',
  });
  expect(message.headers).toEqual({
    'Nats-Msg-Id': commitId,
    'Sluice-Version': '5',
    'Sluice-Count': '0',
    'Nats-Expected-Last-Subject-Sequence': '7',
    'Sluice-Principal': 'corp:alice',
    'Sluice-Control': 'truncate',
  });
  expect(ControlRecord.decode(message.body)).toEqual({
    control: { $case: 'truncateBefore', value: 3n },
    firstVersion: 3n,
    retention: { maxCount: 0n, maxAge: undefined },
    deleted: false,
    tombstoned: false,
  });
});

test('a message of the log is read', () => {
  const control = { kind: 'delete' } as const;
  const message = stored(control);
  expect(isControlMessage(message)).toBe(true);
  expect(readControl('a', message)).toEqual({
    kind: 'control',
    principal: '',
    stream: 'a',
    version: 5n,
    sequence: 9n,
    position: 9n,
    timeNanos: 11n,
    commitId,
    control,
    rules: rulesAfter(noRules, version(5n), control),
  });
});

const truncated = { kind: 'truncate', before: version(3n) } as const;
const record = ControlRecord.decode(stored(truncated).body);
const encoded = (changed: Partial<ControlRecord>): { body: Uint8Array } => ({
  body: ControlRecord.encode({ ...record, ...changed }).finish(),
});

test.each<readonly [string, Parameters<typeof stored>[1]]>([
  ['of a kind that a later version may have', { set: { 'Sluice-Control': 'erase' } }],
  ['of another kind than its body', { set: { 'Sluice-Control': 'delete' } }],
  ['with events', { set: { 'Sluice-Count': '1' } }],
  ['without a count', { set: { 'Sluice-Count': undefined } }],
  ['of a stream without events', { set: { 'Sluice-Version': '0' } }],
  ['of a version that no stream can have', { set: { 'Sluice-Version': '9007199254740992' } }],
  ['without a commit id', { set: { 'Nats-Msg-Id': undefined } }],
  ['without an expected sequence', { set: { 'Nats-Expected-Last-Subject-Sequence': undefined } }],
  ['as a part of a commit', { set: { 'Sluice-Part': '1/1' } }],
  ['in a transaction', { set: { 'Sluice-Transaction': '1/1' } }],
  ['without a body', { body: new Uint8Array(0) }],
  ['whose body is something else', { body: Buffer.from('{}') }],
  ['that says nothing', encoded({ control: undefined })],
  ['before version 0', encoded({ control: { $case: 'truncateBefore', value: 0n } })],
  ['that hides what does not exist', encoded({ firstVersion: 7n })],
  [
    'that erases what does not exist yet',
    {
      set: { 'Sluice-Control': 'erase' },
      ...encoded({ control: { $case: 'erase', value: { fromVersion: 1n, toVersion: 6n, reason: 'none' } } }),
    },
  ],
  ['that hides nothing, not even by number', encoded({ firstVersion: 0n })],
  ['of a stream that ended and was not deleted', encoded({ tombstoned: true })],
  ['with a negative age', encoded({ retention: { maxCount: 0n, maxAge: { seconds: -1n, nanos: 0 } } })],
  ['with no age', encoded({ retention: { maxCount: 0n, maxAge: { seconds: 0n, nanos: 0 } } })],
])('a control %s is unreadable', (_name, changes) => {
  const message = stored(truncated, changes);
  expect(() => readControl('a', message)).toThrow('it is not a control that this gateway can read');
  const entries = createEntries({ prefix: 'es', limits: defaultLimits }, sequence(8n));
  entries.add(message);
  const { groups, upTo } = entries.take();
  expect(upTo).toBe(9n);
  expect(groups.flat()).toMatchObject([{ kind: 'unreadable', stream: 'a', position: 9n }]);
});

test('a control between the messages of a transaction tears it', () => {
  const entries = createEntries({ prefix: 'es', limits: defaultLimits }, beginning);
  const part = stored(truncated, {
    set: {
      'Sluice-Control': undefined,
      'Sluice-Count': '1',
      'Sluice-Version': '1',
      'Nats-Expected-Last-Subject-Sequence': '0',
      'Sluice-Part': '1/2',
    },
  });
  entries.add({ ...part, sequence: sequence(1n) });
  entries.add({ ...stored(truncated), sequence: sequence(2n) });
  const found = entries.take().groups.flat();
  expect(found.map((entry) => (isDamage(entry) ? entry.kind : isControl(entry)))).toEqual([
    'unreadable',
    true,
  ]);
});
