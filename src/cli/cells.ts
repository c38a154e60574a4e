import type { Context } from './command';
import { paint, printable, type Painted } from './output';

/** A cell of a line; on a terminal its width, and how it looks. */
export interface Cell {
  readonly text: string;
  readonly width?: number;
  readonly style?: Painted['style'];
}

/** In a pipe with tabs between the cells, on a terminal in columns. */
export async function printCells({ out }: Pick<Context, 'out'>, cells: readonly Cell[]): Promise<void> {
  if (!out.isTerminal) {
    await out.line(cells.map(({ text }) => printable(text)).join('\t'));
    return;
  }
  const parts = cells.flatMap(({ text, width = 0, style }) => {
    const padded = text.padEnd(width);
    return [style === undefined ? padded : paint(style, padded), '  '];
  });
  await out.line(...parts.slice(0, -1));
}
