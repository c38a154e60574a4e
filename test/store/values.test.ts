import fc from 'fast-check';
import {
  isStreamPattern,
  parseCommitId,
  parseStreamName,
  position,
  unixNanos,
  version,
} from '../../src/store/values';

const allowed = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:@=+~-';

/** The words of docs and contract, one by one, without a regular expression. */
function isToken(text: string): boolean {
  return text !== '' && Array.from(text).every((char) => allowed.includes(char));
}

function isName(text: string): boolean {
  const tokens = text.split('.');
  return tokens.length <= 16 && tokens.every(isToken) && Buffer.byteLength(text) <= 200;
}

function isPattern(text: string): boolean {
  const tokens = text.split('.');
  const isOpen = tokens.at(-1) === '>';
  const before = isOpen ? tokens.slice(0, -1) : tokens;
  return (
    before.length <= 16 &&
    before.every((token) => token === '*' || isToken(token)) &&
    Buffer.byteLength(text) <= 200
  );
}

const tokens = (count: number): string => Array.from({ length: count }, () => 'a').join('.');

/** Mostly what is allowed, with things between that NATS or a shell would understand. */
const odd = [
  ' ',
  '\t',
  '\r',
  '\n',
  '\0',
  '*',
  '>',
  '..',
  '$',
  '/',
  '\\',
  '%',
  'ä',
  '日',
  '👍',
  '\u200b',
  '\u00a0',
];
const piece = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...allowed.split('')) },
  { weight: 6, arbitrary: fc.constant('.') },
  { weight: 2, arbitrary: fc.constantFrom('*', '>', '.*', '.>', '*.') },
  { weight: 1, arbitrary: fc.constantFrom(...odd) },
);
const text = fc
  .tuple(fc.array(piece, { maxLength: 40 }), fc.constantFrom(1, 1, 1, 5, 9))
  .map(([pieces, times]) => pieces.join('').repeat(times));

describe('a stream name', () => {
  test.each([
    ['a', true],
    ['order.0190f3', true],
    ['0190f3a1-0000-7000-8000-000000000001', true],
    [allowed, true],
    ['__proto__', true],
    ['x'.repeat(200), true],
    ['x'.repeat(201), false],
    [tokens(16), true],
    [tokens(17), false],
    ['', false],
    ['.', false],
    ['.a', false],
    ['a.', false],
    ['a..b', false],
    ['*', false],
    ['a.>', false],
    ['a\n', false],
    ['a\r\nPUB es.b 0\r\n', false],
    ['é', false],
  ])('%j: %s', (name, valid) => {
    expect(parseStreamName(name)).toBe(valid ? name : undefined);
    expect(isName(name)).toBe(valid);
  });

  test('is what the contract says', () => {
    fc.assert(
      fc.property(text, (name) => {
        expect(parseStreamName(name)).toBe(isName(name) ? name : undefined);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a pattern', () => {
  test.each([
    ['>', true],
    ['*', true],
    ['order.*', true],
    ['order.>', true],
    ['*.b.*.>', true],
    ['a', true],
    [tokens(16), true],
    [`${tokens(16)}.>`, true],
    [tokens(17), false],
    ['x'.repeat(200), true],
    ['x'.repeat(201), false],
    ['', false],
    ['>.a', false],
    ['>.>', false],
    ['a>', false],
    ['a*', false],
    ['**', false],
    ['a..>', false],
    ['.>', false],
    ['a.', false],
    ['a.*\n', false],
  ])('%j: %s', (pattern, valid) => {
    expect(isStreamPattern(pattern)).toBe(valid);
    expect(isPattern(pattern) && pattern !== '').toBe(valid);
  });

  test('is what the contract says, and every name is one', () => {
    fc.assert(
      fc.property(text, (pattern) => {
        expect(isStreamPattern(pattern)).toBe(isPattern(pattern));
        if (isName(pattern)) expect(isStreamPattern(pattern)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a commit id', () => {
  test('is a UUID of any version, in lower case', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.boolean(), (uuid, upper) => {
        expect(parseCommitId(upper ? uuid.toUpperCase() : uuid)).toBe(uuid);
      }),
    );
    const nil = '00000000-0000-0000-0000-000000000000';
    expect(parseCommitId(nil)).toBe(nil);
  });

  test('is nothing else', () => {
    const uuid = '0190f3a1-0000-7000-8000-00000000abcd';
    const wrong = [
      '',
      uuid.slice(1),
      `${uuid}0`,
      ` ${uuid}`,
      `${uuid}\n`,
      `{${uuid}}`,
      uuid.replaceAll('-', ''),
      uuid.replace('a', 'g'),
      // Letters whose lower case is another letter.
      uuid.replace('a', '\u212a'),
      `${uuid}:2`,
    ];
    for (const text of wrong) expect(parseCommitId(text)).toBeUndefined();
  });
});

test.each([
  ['version', version, 2n ** 64n - 1n],
  ['position', position, 2n ** 64n - 1n],
  ['time', unixNanos, 2n ** 63n - 1n],
])('a %s has its range', (_name, make: (value: bigint) => bigint, max) => {
  for (const value of [0n, 1n, max]) expect(make(value)).toBe(value);
  for (const value of [-1n, max + 1n]) expect(() => make(value)).toThrow(RangeError);
});
