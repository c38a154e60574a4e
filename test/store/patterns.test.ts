import fc from 'fast-check';
import { isName, patternMatcher } from '../../src/store/patterns';
import { isStreamPattern, parseStreamName } from '../../src/store/values';
import { matches } from '../support/model-store';

const token = fc.constantFrom('a', 'b', 'a+b', 'a:b', '=', 'ab');
const name = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('>', '*', 'a', 'b'))
  .map(([tokens, last]) => [...tokens, last].join('.'));

test('a name matches one of the patterns as NATS has it', () => {
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 4 }), name, (patterns, given) => {
      expect(patterns.every(isStreamPattern)).toBe(true);
      expect(parseStreamName(given)).toBe(given);
      expect(patternMatcher(patterns)(given)).toBe(patterns.some((one) => matches(one, given)));
    }),
    { numRuns: 2_000 },
  );
});

test('no patterns are all names, and a name is a pattern of one stream', () => {
  expect(patternMatcher([])('any.name')).toBe(true);
  expect(isName('order.1')).toBe(true);
  expect(isName('order.*')).toBe(false);
  expect(isName('>')).toBe(false);
});
