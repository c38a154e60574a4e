import { UsageError } from './failure';

/** Of commands that read matching streams. */
export const permittedOption = {
  'permitted-only': {
    kind: 'flag',
    help: 'Leave out streams that you have no grant for, instead of failing.',
  },
} as const;

/** The part of the help about patterns, two lines. */
export const patternHelp =
  'PATTERN is in NATS notation: "order.*" matches "order.42", and "order.>" also "order.eu.42". Quote\n' +
  'it, or the shell may expand it.';

/** The only argument, a stream. Throws UsageError, as the functions below. */
export function oneStream(words: readonly string[]): string {
  return one(words, 'STREAM');
}

export function one(words: readonly string[], name: string): string {
  const [word] = words;
  if (word === undefined) throw new UsageError(`${name} is missing`);
  noWords(words.slice(1));
  return word;
}

export function optionalOne(words: readonly string[]): string | undefined {
  noWords(words.slice(1));
  return words[0];
}

export function noWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`unexpected argument "${words.join(' ')}"`);
}
