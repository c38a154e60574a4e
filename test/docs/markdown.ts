import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The part of Markdown that the documentation uses. */

export const root = join(__dirname, '..', '..');

/** The text of a file, by its path from the root of the project. */
export function document(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The text under a heading, up to the next heading of the same level or above. */
export function section(text: string, heading: string): string {
  const [, level = ''] = /^(#+) /.exec(heading) ?? [];
  const start = text.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`there is no heading ${heading}`);
  const rest = text.slice(start + heading.length + 2);
  // In a block, "# " begins a comment.
  const prose = rest.replace(fence, (block) => ' '.repeat(block.length));
  const end = prose.search(new RegExp(`^#{1,${level.length}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** A fenced block of code. */
export interface Block {
  readonly language: string;
  readonly code: string;
}

const fence = /^```(\w*)\n([\s\S]*?)^```$/gm;

/** The fenced blocks, in order. */
export function blocks(text: string): Block[] {
  return Array.from(text.matchAll(fence), ([, language = '', code = '']) => ({ language, code }));
}

/** The cells of every row of every table in the text, without header rows. */
export function tableRows(text: string): string[][] {
  const lines = text.replace(fence, '').split('\n');
  const isRule = (line = ''): boolean => /^\|( -+ \|)+$/.test(line);
  return lines
    .filter((line, i) => line.startsWith('|') && !isRule(line) && !isRule(lines[i + 1]))
    .map((line) => line.slice(1, -1).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** The targets of all links. */
export function links(text: string): string[] {
  return Array.from(text.replace(fence, '').matchAll(/\]\(([^)\s]+)\)/g), ([, target = '']) => target);
}

/** All headings, with their signs. */
export function headings(text: string): string[] {
  return Array.from(text.replace(fence, '').matchAll(/^#+ .+$/gm), ([heading]) => heading);
}

/** The anchors of all headings, as GitHub makes them. */
export function anchors(text: string): string[] {
  return headings(text).map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What is written as code within the text. */
export function inlineCode(text: string): string[] {
  return Array.from(text.replace(fence, '').matchAll(/`([^`\n]+)`/g), ([, code = '']) => code);
}
