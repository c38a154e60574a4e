import fc from 'fast-check';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { CommitAssembler, type StoredCommit } from '../../src/jetstream/log/commit-assembler';
import {
  asTransaction,
  checkMessage,
  headerBytesMax,
  messageCount,
  readPart,
  toMessages,
  type StoredPart,
} from '../../src/jetstream/log/commit-codec';
import { principalValue } from '../../src/jetstream/log/principal-value';
import { encodeEvent } from '../../src/jetstream/append/encode-event';
import type { StoredMessage } from '../../src/jetstream/nats/message';
import type { OutgoingMessage } from '../../src/jetstream/nats/publish';
import { UnreadableCommitError } from '../../src/store/errors';
import {
  sequence as toSequence,
  version,
  parseCommitId,
  parseStreamName,
  type CommitId,
  type StreamName,
} from '../../src/store/values';
import { bounded, recordedEvent } from '../protobuf/recorded-events';

const stream = parseStreamName('a.b') as StreamName;
const commitId = parseCommitId('0190f3a1-0000-7000-8000-000000000001') as CommitId;
const subject = 'es.a.b';

/** Numbers of whole commits; those with the highest versions are far above what any stream will hold. */
const firstVersion = fc.oneof(
  fc.constantFrom(1n, 2n, 127n, 128n, 16_383n, 16_384n, 2n ** 21n - 1n, 2n ** 28n, 2n ** 31n, 2n ** 32n - 1n),
  fc.constantFrom(2n ** 32n, 2n ** 32n + 1n, 2n ** 35n, 2n ** 42n - 2n, 2n ** 49n, 2n ** 53n - 20n),
  fc.bigInt({ min: 1n, max: 2n ** 53n - 20n }),
);

interface Commit {
  readonly events: readonly RecordedEvent[];
  readonly firstVersion: bigint;
  readonly previous: bigint;
  readonly bodyBytesMax: number;
  /** Of its first message. */
  readonly sequence: bigint;
}

const commit: fc.Arbitrary<Commit> = fc.record({
  events: fc.array(recordedEvent, { minLength: 1, maxLength: 12 }),
  firstVersion,
  previous: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  bodyBytesMax: fc.integer({ min: 1_200, max: 6_000 }),
  sequence: fc.bigInt({ min: 1n, max: 2n ** 53n }),
});

function messagesOf({ events, firstVersion: first, previous, bodyBytesMax }: Commit): OutgoingMessage[] {
  const encoded = events.map((event) => ({ bytes: encodeEvent(stream, event) }));
  const messages = toMessages(
    subject,
    encoded,
    { firstVersion: version(first), previous: toSequence(previous), commitId },
    bodyBytesMax,
  );
  expect(messageCount(encoded, bodyBytesMax)).toBe(messages.length);
  return messages;
}

/** The message as it comes back from the server: by a consumer as it was sent, by a Direct Get with the headers that it adds. */
function asStored(
  { headers, body }: OutgoingMessage,
  sequence: bigint,
  added = `Nats-Sequence: ${sequence}\r\n`,
): StoredMessage {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return {
    subject,
    sequence: toSequence(sequence),
    timeNanos: sequence * 1_000n,
    headers: `NATS/1.0\r\n${lines.join('')}${added}\r\n`,
    body,
  };
}

function partsOf(given: Commit): StoredPart[] {
  return messagesOf(given).map((message, index) =>
    readPart(stream, asStored(message, given.sequence + BigInt(index))),
  );
}

test('the headers that the server adds change nothing', () => {
  fc.assert(
    fc.property(commit, (given) => {
      for (const [index, message] of messagesOf(given).entries()) {
        const sequence = given.sequence + BigInt(index);
        expect(readPart(stream, asStored(message, sequence, ''))).toEqual(
          readPart(stream, asStored(message, sequence)),
        );
      }
    }),
  );
});

test('a recorded principal is on the first part, and changes nothing for a reader', () => {
  fc.assert(
    fc.property(commit, fc.string({ unit: 'binary', maxLength: 400 }), (given, name) => {
      const principal = principalValue(name);
      const { events, firstVersion: first, previous, bodyBytesMax, sequence } = given;
      const encoded = events.map((event) => ({ bytes: encodeEvent(stream, event) }));
      const written = { firstVersion: version(first), previous: toSequence(previous), commitId, principal };
      const messages = toMessages(subject, encoded, written, bodyBytesMax);
      const parts = messages.map((message, index) => asStored(message, sequence + BigInt(index)));
      expect(parts.map((part) => readPart(stream, part))).toEqual(partsOf(given));
      expect(messages.map(({ headers }) => headers['Sluice-Principal'])).toEqual(
        messages.map((_, index) => (index === 0 ? principal : undefined)),
      );
    }),
  );
});

test('the value of a principal is visible ASCII of a bounded length, and different for different principals', () => {
  expect(principalValue('corp:alice@example.com')).toBe('corp:alice@example.com');
  expect(principalValue('a b\r\nNats-Msg-Id: x')).toBe('a%20b%0D%0ANats-Msg-Id:%20x');
  expect(principalValue('100%:é')).toBe('100%25:%C3%A9');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (name) => {
      const value = principalValue(name);
      expect(value).toMatch(/^[!-~]{0,256}$/);
      if (name.isWellFormed() && value.length < 250) expect(decodeURIComponent(value)).toBe(name);
    }),
  );
  expect(principalValue('é'.repeat(10_000))).toBe('%C3%A9'.repeat(42) + '%C3');
});

test('the headers of a message fit into what is kept for them, whatever they hold', () => {
  const highest = 2n ** 53n - 2n;
  const longest = { firstVersion: version(highest - 999n), previous: toSequence(2n ** 64n - 1n), commitId };
  const principal = principalValue('%'.repeat(1_000));
  const events = Array.from({ length: 1_000 }, () => ({ bytes: Buffer.alloc(1_000) }));
  const messages = asTransaction(toMessages(subject, events, { ...longest, principal }, 1_200), commitId);
  expect(messages).toHaveLength(1_000);
  // Headers that come on top, in an atomic batch and from the server.
  const batch = `Nats-Batch-Id: ${'x'.repeat(64)}\r\nNats-Batch-Sequence: 1000\r\nNats-Batch-Commit: 1\r\n`;
  const lengths = messages.map((message) => asStored(message, 2n ** 64n - 1n, batch).headers.length);
  expect(Math.max(...lengths)).toBeLessThan(headerBytesMax);
});

/** The commits that the parts make up. */
function assemble(parts: readonly StoredPart[], bytesMax = Infinity): StoredCommit[] {
  const assembler = new CommitAssembler(bytesMax);
  return parts.map((part) => assembler.add(part)).filter((whole) => whole !== undefined);
}

test('a commit comes back as it was written, whatever its events, its versions and its parts', () => {
  fc.assert(
    fc.property(commit, (given) => {
      const parts = partsOf(given);
      const [first, last] = [parts[0] as StoredPart, parts.at(-1) as StoredPart];
      const assembled = assemble(parts);
      expect(assembled).toHaveLength(1);
      const { record, ...rest } = assembled[0] as StoredCommit;
      expect(rest).toEqual({
        stream,
        firstVersion: given.firstVersion,
        lastVersion: given.firstVersion + BigInt(given.events.length) - 1n,
        sequence: last.sequence,
        position: last.sequence,
        from: first.sequence,
        inTransaction: false,
        timeNanos: last.timeNanos,
        commitId,
        previous: given.previous,
        isErased: false,
      });
      const expected = given.events.map((event, index) => ({
        ...event,
        stream,
        version: given.firstVersion + BigInt(index),
      }));
      expect(CommitRecord.decode(record).events).toEqual(expected);
      expect(parts.map(({ part }) => part)).toEqual(parts.map((_, index) => index + 1));
      expect(new Set(parts.map(({ parts: count }) => count))).toEqual(new Set([parts.length]));
      expect(new Set(parts.map(({ position }) => position))).toEqual(new Set([last.sequence]));
      expect(first.previous).toBe(given.previous);
    }),
    { ...bounded, numRuns: 300 },
  );
});

test('each message is a record of its own, no larger than it may be, and none is more than needed', () => {
  fc.assert(
    fc.property(commit, (given) => {
      const messages = messagesOf(given);
      const counts = messages.map(({ body }) => CommitRecord.decode(body).events.length);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(given.events.length);
      for (const { body } of messages) expect(body.length).toBeLessThanOrEqual(given.bodyBytesMax);
      for (const [index, { body }] of messages.entries()) {
        const next = messages[index + 1];
        if (next === undefined) continue;
        const [event] = CommitRecord.decode(next.body).events as [RecordedEvent];
        // With 17 bytes for the framing of each event, which take less.
        const bytes = CommitRecord.encode({ events: [event] }).finish().length;
        expect(body.length + bytes + 17 * ((counts[index] ?? 0) + 1)).toBeGreaterThan(given.bodyBytesMax);
      }
      const last = given.firstVersion + BigInt(given.events.length) - 1n;
      expect(messages.at(-1)?.headers['Sluice-Version']).toBe(last.toString());
      expect(messages.map(({ headers }) => Number(headers['Sluice-Count']))).toEqual(counts);
      expect(messages.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(
        messages.map((_, index) => (index === 0 ? commitId : `${commitId}:${index + 1}`)),
      );
      const isFirst = messages.map(({ headers }) => 'Nats-Expected-Last-Subject-Sequence' in headers);
      expect(isFirst).toEqual(messages.map((_, index) => index === 0));
    }),
    { ...bounded, numRuns: 300 },
  );
});

test('parts that do not follow each other are never taken for a commit', () => {
  const inParts = fc.tuple(commit, commit, fc.nat(), fc.nat()).map(([one, other, from, to]) => {
    const parts = partsOf({ ...one, bodyBytesMax: 1_200 });
    const others = messagesOf({ ...other, bodyBytesMax: 1_200 }).map((message, index) => {
      const id = message.headers['Nats-Msg-Id']?.replace('0190f3a1', '0190f3a2') ?? '';
      const headers = { ...message.headers, 'Nats-Msg-Id': id };
      return readPart(stream, asStored({ ...message, headers }, 2n ** 60n + BigInt(index)));
    });
    return { parts, others, from: from % parts.length, to: to % others.length };
  });
  fc.assert(
    fc.property(inParts, ({ parts, others, from, to }) => {
      const attempt = (given: readonly StoredPart[]): StoredCommit[] | 'unreadable' => {
        try {
          return assemble(given);
        } catch (error) {
          if (error instanceof UnreadableCommitError) return 'unreadable';
          throw error;
        }
      };
      fc.pre(parts.length > 1);
      const [head, tail] = [parts.slice(0, from), parts.slice(from + 1)];
      // One is missing: the end has not come, or it is noticed.
      expect(attempt([...head, ...tail])).toEqual(tail.length === 0 ? [] : 'unreadable');
      // One is there twice.
      expect(attempt([...parts.slice(0, from + 1), ...parts.slice(from)])).toEqual('unreadable');
      // One belongs to another commit.
      expect(attempt([...head, others[to] as StoredPart, ...tail])).toEqual('unreadable');
      // Together they are more than a commit may be.
      const bytes = parts.reduce((sum, { body }) => sum + body.length, 0);
      expect(() => assemble(parts, bytes - 1)).toThrow(UnreadableCommitError);
      expect(assemble(parts, bytes)).toHaveLength(1);
    }),
    { ...bounded, numRuns: 200 },
  );
});

const headers: Readonly<Record<string, string>> = {
  'Nats-Msg-Id': commitId,
  'Nats-Expected-Last-Subject-Sequence': '7',
  'Sluice-Version': '3',
  'Sluice-Count': '2',
};
const twoEvents = CommitRecord.encode(
  CommitRecord.fromPartial({
    events: [
      { stream, version: 2n, type: 'A' },
      { stream, version: 3n, type: 'B' },
    ],
  }),
).finish();

/** A message with two events and these headers; undefined: without that header. */
function partWith(changed: Readonly<Record<string, string | undefined>>): StoredPart {
  const without = (name: string): boolean => name in changed && changed[name] === undefined;
  const kept = Object.entries({ ...headers, ...changed } as typeof headers).filter(
    ([name]) => !without(name),
  );
  return readPart(stream, asStored({ subject, headers: Object.fromEntries(kept), body: twoEvents }, 9n));
}

describe('the headers of a message', () => {
  test('tell where it stands', () => {
    expect(partWith({})).toMatchObject({
      firstVersion: 2n,
      lastVersion: 3n,
      previous: 7n,
      part: 1,
      parts: 1,
    });
    expect(partWith({ 'Sluice-Part': '1/2' })).toMatchObject({ previous: 7n, part: 1, parts: 2 });
    const second = { 'Sluice-Part': '2/2', 'Nats-Msg-Id': `${commitId}:2` };
    expect(partWith({ ...second, 'Nats-Expected-Last-Subject-Sequence': undefined })).toMatchObject({
      commitId,
      previous: undefined,
      part: 2,
      parts: 2,
    });
  });

  test.each([
    { 'Nats-Msg-Id': undefined },
    { 'Nats-Expected-Last-Subject-Sequence': undefined },
    { 'Nats-Expected-Last-Subject-Sequence': '-1' },
    { 'Sluice-Version': undefined },
    { 'Sluice-Version': '1' },
    { 'Sluice-Version': 'three' },
    { 'Sluice-Version': '3.0' },
    { 'Sluice-Version': '9'.repeat(20) },
    { 'Sluice-Count': undefined },
    { 'Sluice-Count': '0' },
    { 'Sluice-Count': '4' },
    { 'Sluice-Count': '' },
    { 'Sluice-Part': '2/1' },
    { 'Sluice-Part': '0/2' },
    { 'Sluice-Part': '1/0' },
    { 'Sluice-Part': '1' },
    { 'Sluice-Part': '1/2/3' },
    { 'Sluice-Part': '01/2' },
    { 'Sluice-Part': 'one/two' },
  ])('are not those of a commit: %p', (changed) => {
    expect(() => partWith(changed)).toThrow(UnreadableCommitError);
  });

  test('count the events of the body', () => {
    for (const count of ['1', '3']) {
      const part = partWith({ 'Sluice-Count': count });
      expect(() => assemble([part])).toThrow(UnreadableCommitError);
    }
    expect(assemble([partWith({})])).toHaveLength(1);
    expect(() => assemble([{ ...partWith({}), body: Buffer.from('not a record') }])).toThrow(
      UnreadableCommitError,
    );
  });
});

test('the messages of a transaction say where it begins and ends, also beside those that only check', () => {
  fc.assert(
    fc.property(fc.array(commit, { minLength: 1, maxLength: 3 }), fc.nat({ max: 3 }), (commits, checks) => {
      const writing = commits.map((given) => messagesOf(given));
      const checking = Array.from({ length: checks }, () => checkMessage('es', 'es.c', toSequence(7n)));
      const messages = asTransaction([...checking, ...writing.flat()], commitId);
      const stored = messages.map((message, index) => asStored(message, 100n + BigInt(index)));
      const span = { from: 100n, position: 99n + BigInt(messages.length) };
      const parts = stored.slice(checks).map((message) => readPart(stream, message));
      expect(parts).toEqual(parts.map((part) => ({ ...part, ...span, inTransaction: true, commitId })));
      expect(new Set(messages.map(({ headers }) => headers['Nats-Msg-Id'])).size).toBe(messages.length);
      const assembled = assemble(parts);
      expect(assembled.map(({ firstVersion: first }) => first)).toEqual(
        commits.map(({ firstVersion: first }) => first),
      );
      // Without the rest of it, what comes next shows that.
      const [first] = assembled;
      if (assembled.length < 2 || first === undefined) return;
      const kept = parts.filter(({ sequence }) => sequence <= first.sequence);
      const [another] = partsOf({ ...(commits[0] as Commit), sequence: first.sequence + 1n });
      expect(() => assemble([...kept, another as StoredPart])).toThrow(UnreadableCommitError);
    }),
    { ...bounded, numRuns: 200 },
  );
});
