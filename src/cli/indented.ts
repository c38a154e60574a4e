/**
 * A JSON object or array, indented over several lines; undefined for other text. Works on the text itself, because parsing and
 * printing it would change numbers and the order of names.
 */
export function indentedJson(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const lines: string[] = [];
  let line = '';
  let depth = 0;
  const end = (change = 0): void => {
    lines.push(line);
    depth += change;
    line = '  '.repeat(depth);
  };
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]\s*[\]}]|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    if (token === '{' || token === '[') {
      line += token;
      end(1);
    } else if (token === '}' || token === ']') {
      end(-1);
      line += token;
    } else if (token === ',') {
      line += token;
      end();
    } else line += token === ':' ? ': ' : token.replace(/^([[{])\s+/, '$1');
  }
  lines.push(line);
  return lines.join('\n');
}
