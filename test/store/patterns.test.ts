import fc from 'fast-check';
import { isName, overlap, patternMatcher, streamMatcher } from '../../src/store/patterns';
import { isStreamPattern, parseStreamName } from '../../src/store/values';
import { matches } from '../support/model-log';

const token = fc.constantFrom('a', 'b', 'a+b', 'a:b', '=', 'ab');
const name = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('>', '*', 'a', 'b'))
  .map(([tokens, last]) => [...tokens, last].join('.'));

const isAnyOf = (patterns: readonly string[], given: string): boolean =>
  patterns.some((one) => matches(one, given));

// Up to 16 patterns are regular expressions, more are a tree.
test.each([
  [1, 4],
  [17, 40],
])('a name matches one of %d to %d patterns as NATS has it', (minLength, maxLength) => {
  const some = fc.array(pattern, { minLength, maxLength });
  fc.assert(
    fc.property(some, name, (patterns, given) => {
      expect(patterns.every(isStreamPattern)).toBe(true);
      expect(parseStreamName(given)).toBe(given);
      expect(patternMatcher(patterns)(given)).toBe(isAnyOf(patterns, given));
    }),
    { numRuns: 2_000 },
  );
});

test('a long list of patterns without ">" is matched by its tokens', () => {
  const patterns = [...Array.from({ length: 1_000 }, (_, i) => `tenant.${i}.>`), '*.all', 'tenant.*.open.*'];
  const isMatch = patternMatcher(patterns);
  for (const given of ['tenant.7.order', 'tenant.999.a.b.c', 'x.all', 'tenant.other.open.1'])
    expect([given, isMatch(given)]).toEqual([given, true]);
  for (const given of ['tenant.7', 'tenant', 'tenant.1000.a', 'x.all.y', 'tenant.other.open', 'tenant.7x.y'])
    expect([given, isMatch(given)]).toEqual([given, false]);
});

test('a stream is selected if it is asked for and visible', () => {
  const some = fc.array(pattern, { maxLength: 20 });
  fc.assert(
    fc.property(some, some, name, (patterns, visible, given) => {
      const expected = isAnyOf(patterns, given) && isAnyOf(visible, given);
      expect(streamMatcher({ patterns, visible })(given)).toBe(expected);
      expect(streamMatcher({ patterns })(given)).toBe(isAnyOf(patterns, given));
    }),
    { numRuns: 2_000 },
  );
});

test('patterns overlap if some name matches both', () => {
  const tokens = ['a', 'b', 'c'];
  const longer = (names: readonly string[]): string[] =>
    names.flatMap((one) => tokens.map((last) => `${one}.${last}`));
  const [two, three] = [longer(tokens), longer(longer(tokens))];
  const names = [...tokens, ...two, ...three, ...longer(three)];
  const few = fc
    .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 2 }), fc.constantFrom('>', '*', 'a', 'b'))
    .map(([some, last]) => [...some, last].join('.'));
  fc.assert(
    fc.property(few, few, (left, right) => {
      const common = names.some((one) => matches(left, one) && matches(right, one));
      expect([left, right, overlap(left, right)]).toEqual([left, right, common]);
    }),
    { numRuns: 2_000 },
  );
});

test('no pattern is no name, and a name is a pattern of one stream', () => {
  expect(patternMatcher([])('any.name')).toBe(false);
  expect(isName('order.1')).toBe(true);
  expect(isName('order.*')).toBe(false);
  expect(isName('>')).toBe(false);
});
