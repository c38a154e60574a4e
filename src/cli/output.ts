import { once } from 'node:events';
import { styleText } from 'node:util';

/** How a piece of text looks on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Where results go. */
export interface Output {
  /** Whether people look at it. */
  readonly isTerminal: boolean;
  /** The text in a style, where there are colours. */
  paint(style: Style, text: string): string;
  /** Writes a line; resolves when there is room for more. */
  line(text: string): Promise<void>;
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
  return {
    isTerminal,
    paint: (style, text) => (hasColors ? styleText(style, text, withoutLooking) : text),
    async line(text) {
      if (!sink.write(`${text}\n`)) await once(sink, 'drain');
    },
  };
}

/** `styleText` would look at stdout by itself, whatever is written to. */
const withoutLooking = { validateStream: false };

/** Control characters, which a terminal would obey, as JSON writes them. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.charCodeAt(0);
    return named[character] ?? `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
