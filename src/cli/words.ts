import { UsageError } from './failure';

/** What a command is given beside its options. Each throws UsageError. */

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
