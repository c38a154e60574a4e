import { isDeepStrictEqual } from 'node:util';
import type { Json } from './json-files';

type JsonObject = Record<string, Json>;

/**
 * Where a value is not what was expected; undefined if it is. Of an object only the fields named are looked at; a list
 * must have as many items. As in the JSON of protobuf, a field that is not there has its default; expected as null, it
 * must not be there. Further expectations: `{"$any": true}` something that is not the default, `{"$contains": "text"}`,
 * `{"$above": "number"}`, and `{"$unordered": [...]}` a list in any order.
 */
export function mismatch(expected: Json, actual: Json | undefined, path = ''): string | undefined {
  const wrong = `${path === '' ? 'it' : path} is ${shown(actual)}, not ${shown(expected)}`;
  if (expected === null) return actual === undefined ? undefined : wrong;
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual ?? [])) return wrong;
    const items = (actual ?? []) as Json[];
    if (items.length !== expected.length)
      return `${path} has ${items.length} items, not ${expected.length}: ${shown(actual)}`;
    return first(expected.map((item, i) => [item, items[i], `${path}[${i}]`]));
  }
  if (typeof expected === 'object') return mismatchOfObject(expected, actual, path, wrong);
  if (actual === undefined) return isDefault(expected) ? undefined : wrong;
  // 64-bit numbers are texts in the JSON of protobuf.
  return typeof actual !== 'object' && String(actual) === String(expected) ? undefined : wrong;
}

function mismatchOfObject(
  expected: JsonObject,
  actual: Json | undefined,
  path: string,
  wrong: string,
): string | undefined {
  const { $any: any, $contains: part, $above: bound, $unordered: items } = expected;
  if (any !== undefined) return actual === undefined || isDefault(actual) ? wrong : undefined;
  if (typeof part === 'string')
    return typeof actual === 'string' && actual.includes(part) ? undefined : wrong;
  if (typeof bound === 'string') {
    return BigInt((actual ?? '0') as string) > BigInt(bound) ? undefined : wrong;
  }
  if (Array.isArray(items)) return mismatchOfUnordered(items, (actual ?? []) as Json[], path);
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) return wrong;
  return first(
    Object.entries(expected).map(([name, value]) => [
      value,
      actual[name],
      path === '' ? name : `${path}.${name}`,
    ]),
  );
}

function mismatchOfUnordered(expected: Json[], actual: Json[], path: string): string | undefined {
  const left = [...actual];
  for (const item of expected) {
    const at = left.findIndex((candidate) => mismatch(item, candidate) === undefined);
    if (at < 0) return `${path} has no ${shown(item)}: ${shown(actual)}`;
    left.splice(at, 1);
  }
  return left.length === 0 ? undefined : `${path} has also ${shown(left)}`;
}

function first(fields: [Json, Json | undefined, string][]): string | undefined {
  for (const [expected, actual, path] of fields) {
    const found = mismatch(expected, actual, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isDefault(value: Json): boolean {
  return [0, '0', '', false].some((one) => one === value) || isDeepStrictEqual(value, []);
}

function shown(value: Json | undefined): string {
  const text = value === undefined ? 'not there' : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
