import { shownKey } from './schema-fields';

/**
 * The paths of the keys that an object of this valid JSON has twice, and of `__proto__`. JSON.parse takes the last of them and says
 * nothing: a reviewer could read another grant than the one that holds.
 */
export function repeatedKeys(json: string): string[] {
  const found: string[] = [];
  const open: Level[] = [];
  let text = '';
  for (const [lexeme] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    const level = open.at(-1);
    if (lexeme === '{') open.push({ keys: new Set(), key: '', index: 0 });
    else if (lexeme === '[') open.push({ keys: undefined, key: '', index: 0 });
    else if (lexeme === '}' || lexeme === ']') open.pop();
    else if (lexeme === ',' && level !== undefined) level.index++;
    else if (lexeme === ':' && level !== undefined) {
      level.key = JSON.parse(text) as string;
      if (level.keys?.has(level.key) === true || level.key === '__proto__') found.push(pathOf(open));
      level.keys?.add(level.key);
    } else text = lexeme;
  }
  return found;
}

interface Level {
  /** undefined: a list. */
  readonly keys: Set<string> | undefined;
  key: string;
  index: number;
}

function pathOf(open: readonly Level[]): string {
  return open
    .map(({ keys, key, index }) => (keys === undefined ? `[${index}]` : `.${shownKey(key)}`))
    .join('')
    .replace(/^\./, '');
}
