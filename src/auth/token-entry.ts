/** The entry of an API token, as it is written in the auth file. */
export interface WrittenTokenEntry {
  readonly id: string;
  readonly sha256: string;
  readonly principal: string;
  readonly roles: readonly string[];
  /** A time as in ISO 8601, with its zone. */
  readonly expires: string | undefined;
}

/** The entry in one line. */
export function entryText(entry: WrittenTokenEntry): string {
  const fields = Object.entries(entry).filter(([, value]) => value !== undefined);
  return `{ ${fields.map(([key, value]) => `"${key}": ${JSON.stringify(value)}`).join(', ')} }`;
}

/** The text of an auth file, which must be valid JSON, with one more entry at the end of `tokens`. The rest stays as it is. */
export function withToken(text: string, entry: WrittenTokenEntry): string {
  const end = endOfTokens(text);
  if (end === undefined) return withTokens(text, entry);
  const before = text.slice(0, end).trimEnd();
  const rest = text.slice(before.length);
  if (before.endsWith('[')) return `${before}${entryText(entry)}${text.slice(end)}`;
  // Where each entry has a line, the new one gets a line with the same indentation.
  const isInLines = rest.slice(0, end - before.length).includes('\n');
  const [indentation = ''] = /^[ \t]*/.exec(before.slice(before.lastIndexOf('\n') + 1)) ?? [];
  return `${before},${isInLines ? `\n${indentation}` : ' '}${entryText(entry)}${rest}`;
}

/** For a file without tokens. */
function withTokens(text: string, entry: WrittenTokenEntry): string {
  const begin = text.indexOf('{') + 1;
  const rest = text.slice(begin);
  const isEmpty = rest.trimStart().startsWith('}');
  return `${text.slice(0, begin)}\n  "tokens": [\n    ${entryText(entry)}\n  ]${isEmpty ? '\n' : ','}${rest}`;
}

/** Where the bracket stands that closes the list `tokens` of the outermost object; undefined: there is no such list. */
function endOfTokens(text: string): number | undefined {
  let depth = 0;
  let isInTokens = false;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/g)) {
    if (depth === 1 && token.endsWith(':')) isInTokens = token.startsWith('"tokens"');
    if (token === '{' || token === '[') depth++;
    if (token !== '}' && token !== ']') continue;
    depth--;
    if (depth === 1 && isInTokens) return index;
  }
  return undefined;
}
