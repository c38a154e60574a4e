import fc from 'fast-check';
import { repeatedKeys } from '../../src/auth/json-keys';
import { placeOfError } from '../../src/auth/json-place';

test.each([
  ['', 1, 1],
  ['  ', 1, 3],
  ['{\n  "a": [],\n}', 3, 1],
  ['{"a": 1 "b": 2}', 1, 9],
  ['[1,]', 1, 4],
  ['[1\n', 2, 1],
  ['{"a"}', 1, 5],
  ['{a: 1}', 1, 2],
  ["{'a': 1}", 1, 2],
  ['{"a": tru}', 1, 7],
  ['{"a": 01}', 1, 8],
  ['{"a": "x\ny"}', 1, 7],
  ['{"a": "\\x"}', 1, 7],
  ['{} {}', 1, 4],
  ['[}', 1, 2],
  [']', 1, 1],
  ['{"a": 1} // why', 1, 10],
])('%j stops being JSON in line %d, column %d', (text, line, column) => {
  expect(() => JSON.parse(text) as unknown).toThrow();
  expect(placeOfError(text)).toBe(`line ${line} column ${column}`);
});

test('what is JSON is so to its end, and has no key twice', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      fc.pre(!text.includes('"__proto__"'));
      const lines = text.split('\n');
      expect(placeOfError(text)).toBe(`line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1}`);
      expect(repeatedKeys(text)).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

test('a text that is cut stops being JSON at its end or at the lexeme that is cut', () => {
  const text = '{"a": ["x", {"b": null}], "c": -1.5e3}';
  for (let end = 1; end < text.length; end++) {
    const column = Number(/\d+$/.exec(placeOfError(text.slice(0, end)))?.[0]);
    expect(column).toBeGreaterThan(end - '-1.5e3'.length);
    expect(column).toBeLessThanOrEqual(end + 1);
  }
});

test.each([
  ['{"a": {"b": 1, "b": 2}}', ['a.b']],
  ['{"a": 1, "\\u0061": 2}', ['a']],
  ['[{"x": 1}, {"x": 1, "y": [{"x": 1, "x": "}"}]}]', ['[1].y[0].x']],
  ['{"a": {"a": {"a": ["a", "a"]}}, "b": {"a": 1}}', []],
  ['{"a\\"": "{", "a": "\\\\", "b": "a"}', []],
  ['{"a": {"__proto__": {}}}', ['a.__proto__']],
])('%j has %j twice', (text, paths) => {
  expect(repeatedKeys(text)).toEqual(paths);
});
