import fc from 'fast-check';
import { parseTime, publishedHeader } from '../../src/jetstream/nats/message';

/** Nanoseconds since 1970 as RFC 3339 in UTC, as the server writes it. */
function formatTime(time: bigint): string {
  const seconds = new Date(Number(time / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${(time % 1_000_000_000n).toString().padStart(9, '0')}Z`;
}

const nanos = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 0n, max: 4n * 10n ** 9n }),
  fc.constantFrom(0n, 999_999_999n, 10n ** 9n, 1_700_000_000_000_000_000n, 2n ** 63n - 1n),
);

describe('a time of NATS', () => {
  test('comes back to the nanosecond', () => {
    fc.assert(
      fc.property(fc.array(nanos, { minLength: 1, maxLength: 4 }), (times) => {
        // Several in a row, because the second is remembered.
        for (const time of times) expect(parseTime(formatTime(time))).toBe(time);
      }),
      { numRuns: 500 },
    );
  });

  test('may leave out decimals that are zero, as the server does', () => {
    fc.assert(
      fc.property(nanos, (time) => {
        const short = formatTime(time).replace(/\.?0*Z$/, 'Z');
        expect(parseTime(short)).toBe(time);
      }),
    );
  });

  test.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['1970-01-01T00:00:00.000000001Z', 1n],
    ['2023-11-14T22:13:20.5Z', 1_700_000_000_500_000_000n],
    ['2023-11-14T22:13:20.000012Z', 1_700_000_000_000_012_000n],
    ['2024-02-29T23:59:59.999999999Z', 1_709_251_199_999_999_999n],
    ['2262-04-11T23:47:16.854775807Z', 2n ** 63n - 1n],
  ])('%s is %s', (text, time) => {
    expect(parseTime(text)).toBe(time);
    const [second, fraction = ''] = text.slice(0, -1).split('.') as [string, string?];
    expect(formatTime(time)).toBe(`${second}.${fraction.padEnd(9, '0')}Z`);
  });
});

describe('a header', () => {
  const block = (lines: readonly string[]): string => ['NATS/1.0', ...lines, '', ''].join('\r\n');

  test('of the publisher is the first of its name', () => {
    const headers = block(['A: 1', 'Nats-Sequence: 7', 'AB: 2', 'A:3', 'Nats-Sequence: 8']);
    expect(publishedHeader(headers, 'A')).toBe('1');
    expect(publishedHeader(headers, 'AB')).toBe('2');
    expect(publishedHeader(headers, 'B')).toBeUndefined();
    expect(publishedHeader('', 'A')).toBeUndefined();
    expect(publishedHeader(block(['A:']), 'A')).toBe('');
  });
});
