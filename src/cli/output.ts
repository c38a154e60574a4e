import { once } from 'node:events';
import { styleText } from 'node:util';

/** How a piece of text looks on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Text with a style, for terminals with colours. */
export interface Painted {
  readonly style: Style;
  readonly text: string;
}

export function paint(style: Style, text: string): Painted {
  return { style, text };
}

/** A terminal, pipe or file that results or messages are written to. */
export interface Output {
  readonly isTerminal: boolean;
  /**
   * Writes a line; resolves when the next one can be written. On a terminal, control characters are escaped as in JSON, line feeds
   * too: text from a store or a server must not move the cursor or disguise itself.
   */
  line(...parts: readonly (string | Painted)[]): Promise<void>;
}

/** stdout or stderr, or another stream in tests. `hasColors` respects NO_COLOR and TERM. */
export type Sink = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  hasColors?(): boolean;
};

export function createOutput(sink: Sink): Output {
  const isTerminal = sink.isTTY === true;
  const hasColors = isTerminal && sink.hasColors?.() === true;
  const shown = (text: string): string => (isTerminal ? printable(text) : text);
  const toText = (part: string | Painted): string => {
    if (typeof part === 'string') return shown(part);
    return hasColors ? styleText(part.style, shown(part.text), withoutCheck) : shown(part.text);
  };
  return {
    isTerminal,
    async line(...parts) {
      if (!sink.write(`${parts.map(toText).join('')}\n`)) await once(sink, 'drain');
    },
  };
}

/** `styleText` would check stdout, which may not be the sink. */
const withoutCheck = { validateStream: false };

/** Writes a message of one or more lines, without waiting: the process can end right after it. */
export function writeLines(sink: Sink, text: string): void {
  const out = createOutput(sink);
  for (const line of text.split('\n')) void out.line(line);
}

/**
 * Escapes control characters as JSON does: those of ASCII and C1, and those that separate lines or change the direction of text.
 * JSON stays valid and keeps its meaning.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    const code = character.charCodeAt(0);
    return named[character] ?? `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
