import fc from 'fast-check';
import { PatternTree, widest } from '../../src/store/pattern-tree';
import { isStreamPattern, parseStreamName } from '../../src/store/values';
import { matches } from '../support/model-log';

/** All names of up to `depth` tokens: more tokens than a pattern has, and a letter that no pattern has, stand for all other names. */
function namesOf(letters: readonly string[], depth: number): string[] {
  let longest = [...letters];
  const all = [...longest];
  for (let tokens = 2; tokens <= depth; tokens++) {
    longest = longest.flatMap((name) => letters.map((letter) => `${name}.${letter}`));
    all.push(...longest);
  }
  return all;
}

const names = namesOf(['a', 'b', 'z'], 5);
const token = fc.constantFrom('a', 'b', '*');
const pattern = fc
  .tuple(fc.array(token, { maxLength: 3 }), fc.constantFrom('a', 'b', '*', '>'))
  .map(([tokens, last]) => [...tokens, last].join('.'));
const patterns = fc.array(pattern, { maxLength: 6 });

/** Whether a pattern matches every name that another one matches, by trying all of them. */
function containsByNames(wide: string, narrow: string): boolean {
  return names.every((name) => !matches(narrow, name) || matches(wide, name));
}

describe('a tree of patterns', () => {
  test('contains exactly the names that one of its patterns matches', () => {
    fc.assert(
      fc.property(patterns, fc.constantFrom(...names), (given, name) => {
        expect(new PatternTree(given).contains(name)).toBe(given.some((one) => matches(one, name)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('contains a pattern if and only if one of its patterns matches all that it matches', () => {
    fc.assert(
      fc.property(patterns, pattern, (given, asked) => {
        expect(isStreamPattern(asked)).toBe(true);
        expect(new PatternTree(given).contains(asked)).toBe(given.some((one) => containsByNames(one, asked)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('a pattern that is removed is gone, and nothing else', () => {
    fc.assert(
      fc.property(patterns, pattern, fc.constantFrom(...names), (given, removed, name) => {
        const tree = new PatternTree([...given, removed]);
        tree.remove(removed);
        const rest = given.filter((one) => one !== removed);
        expect(tree.contains(name)).toBe(rest.some((one) => matches(one, name)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('the widest patterns match the same names, and none of them contains another', () => {
    fc.assert(
      fc.property(patterns, (given) => {
        const kept = widest(given);
        for (const name of names) {
          const some = (list: readonly string[]): boolean => list.some((one) => matches(one, name));
          if (some(kept) !== some(given)) throw new Error(`${name}: ${kept.join(' ')}`);
        }
        const others = (one: string): string[] => kept.filter((other) => other !== one);
        expect(kept.filter((one) => others(one).some((other) => containsByNames(other, one)))).toEqual([]);
        expect(new Set(kept).size).toBe(kept.length);
      }),
      { numRuns: 1_000 },
    );
  });

  test('works by whole tokens, and tells capitals from small letters', () => {
    const tree = new PatternTree(['order.>']);
    const asked = ['order.1', 'order.eu.1', 'order.*', 'order.>', 'order', 'orders.1', 'Order.1', '*.1', '>'];
    expect(asked.filter((one) => tree.contains(one))).toEqual([
      'order.1',
      'order.eu.1',
      'order.*',
      'order.>',
    ]);
  });

  test('what is not a name or a pattern is contained in nothing', () => {
    const tree = new PatternTree(['*', '*.*', 'order.>', 'a.*.c']);
    const asked = ['', '.', 'a.', '.a', 'order.', 'a..c'];
    expect(asked.filter((one) => parseStreamName(one) !== undefined || isStreamPattern(one))).toEqual([]);
    expect(asked.filter((one) => tree.contains(one))).toEqual([]);
  });
});
