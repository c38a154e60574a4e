import { once } from 'node:events';
import { styleText } from 'node:util';

/** How a piece of text looks on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Text in a style, where there are colours. */
export interface Painted {
  readonly style: Style;
  readonly text: string;
}

export function paint(style: Style, text: string): Painted {
  return { style, text };
}

/** Where results go. */
export interface Output {
  /** Whether people look at it. */
  readonly isTerminal: boolean;
  /**
   * Writes a line; resolves when there is room for more. A terminal gets every control character in it, line feeds too, as
   * JSON writes them: what comes out of a store or from a server must not move the cursor, or read otherwise than it is.
   */
  line(...parts: readonly (string | Painted)[]): Promise<void>;
}

/** stdout or stderr, or whatever else is written to. NO_COLOR and TERM are heeded by `hasColors`. */
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
    return hasColors ? styleText(part.style, shown(part.text), withoutLooking) : shown(part.text);
  };
  return {
    isTerminal,
    async line(...parts) {
      if (!sink.write(`${parts.map(toText).join('')}\n`)) await once(sink, 'drain');
    },
  };
}

/** `styleText` would look at stdout by itself, whatever is written to. */
const withoutLooking = { validateStream: false };

/** Writes a message of one line or several; whoever ends the process next need not wait. */
export function writeLines(sink: Sink, text: string): void {
  const out = createOutput(sink);
  for (const line of text.split('\n')) void out.line(line);
}

/**
 * Control characters, which a terminal would obey, as JSON writes them: those of ASCII and C1, and those that change lines or
 * the direction of text. JSON stays JSON, and says the same.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    const code = character.charCodeAt(0);
    return named[character] ?? `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
