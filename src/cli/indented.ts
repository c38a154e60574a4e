/**
 * A JSON object or array over several lines; undefined for other text. Numbers and names stay as they are written, which
 * they would not if they were read and written again.
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
