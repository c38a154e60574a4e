import type { Json } from './json-files';

/** What variables stand for; those of `capture`, and `i` within `$repeat`. */
export type Variables = ReadonlyMap<string, string>;

/**
 * A value with its shorthand written out: `${name}` in a text is a variable; in a list, `{"$repeat": n, "item": x}` is x
 * n times, with `${i}` from 1 to n; `{"$text": "x", "times": n}` is a text.
 */
export function fillIn(value: Json, variables: Variables): Json {
  if (typeof value === 'string') return fillText(value, variables);
  if (Array.isArray(value)) return value.flatMap((item) => repeated(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  if (typeof value['$text'] === 'string') return value['$text'].repeat(Number(value['times']));
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [fillText(name, variables), fillIn(field, variables)]),
  );
}

function fillText(text: string, variables: Variables): string {
  return text.replace(/\$\{(\w+)\}/g, (_whole, name: string) => {
    const found = variables.get(name);
    if (found === undefined) throw new Error(`there is no variable ${name}`);
    return found;
  });
}

function repeated(item: Json, variables: Variables): Json[] {
  if (typeof item !== 'object' || item === null || Array.isArray(item) || item['$repeat'] === undefined)
    return [fillIn(item, variables)];
  const pattern = item['item'] ?? null;
  return Array.from({ length: Number(item['$repeat']) }, (_, i) =>
    fillIn(pattern, new Map([...variables, ['i', (i + 1).toString()]])),
  );
}
