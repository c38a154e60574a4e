const lexemes =
  /\s*("(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:])/uy;

/** What came last: a punctuation mark, the key of a member, a whole value, or nothing yet. */
type Last = '{' | '[' | ',' | ':' | 'key' | 'value' | '';

/** Where a text stops being JSON, as "line 3 column 1": JSON.parse often does not say, or quotes the text. */
export function placeOfError(text: string): string {
  const open: string[] = [];
  let last: Last = '';
  let end = 0;
  const lexeme = new RegExp(lexemes);
  for (let found = lexeme.exec(text); found !== null; found = lexeme.exec(text)) {
    const [, mark = ''] = found;
    const after = lastAfter(mark, last, open);
    if (after === undefined) return placeOf(text, lexeme.lastIndex - mark.length);
    last = after;
    end = lexeme.lastIndex;
  }
  return placeOf(text, end + (/^\s*/.exec(text.slice(end))?.[0].length ?? 0));
}

/** undefined: the mark cannot stand there. */
function lastAfter(mark: string, last: Last, open: string[]): Last | undefined {
  const within = open.at(-1);
  if (mark === ',') return last === 'value' && within !== undefined ? ',' : undefined;
  if (mark === ':') return last === 'key' ? ':' : undefined;
  if (mark === '}' || mark === ']') {
    const opening = mark === '}' ? '{' : '[';
    if (within !== opening || (last !== 'value' && last !== opening)) return undefined;
    open.pop();
    return 'value';
  }
  const isKey = last === '{' || (last === ',' && within === '{');
  if (isKey) return mark.startsWith('"') ? 'key' : undefined;
  if (last === 'value' || last === 'key') return undefined;
  if (mark !== '{' && mark !== '[') return 'value';
  open.push(mark);
  return mark;
}

function placeOf(text: string, at: number): string {
  const lines = text.slice(0, at).split('\n');
  return `line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1}`;
}
