import { parseArgs } from 'node:util';
import { suggestion } from '../config/nearest-name';
import { UsageError } from './failure';

/** An option of a command. */
export interface Option {
  /** `flag`: without a value; `text`: at most once; `texts`: can be repeated. */
  readonly kind: 'flag' | 'text' | 'texts';
  /** The name of its value in the help. */
  readonly value?: string;
  readonly help: string;
}

/** By name, without the dashes. */
export type Options = Readonly<Record<string, Option>>;

/** The values of the options of a command. */
export type Given<O extends Options> = {
  readonly [Name in keyof O]: O[Name]['kind'] extends 'flag'
    ? boolean
    : O[Name]['kind'] extends 'text'
      ? string | undefined
      : readonly string[];
};

/** A parsed command line: the words that are not options, and the values of the options. */
export interface Arguments<O extends Options> {
  readonly words: readonly string[];
  readonly given: Given<O>;
}

/** Throws UsageError with all problems. */
export function parseArguments<O extends Options>(argv: readonly string[], options: O): Arguments<O> {
  const known = Object.entries(options);
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      known.map(([name, { kind }]) => [name, { type: kind === 'flag' ? 'boolean' : 'string' }] as const),
    ),
    strict: false,
    tokens: true,
  });
  const words: string[] = [];
  const values = new Map<string, string[]>();
  const problems: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const { rawName, name, value, inlineValue } = token;
    const option = rawName.startsWith('--') && Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) {
      const names = known.map(([candidate]) => `--${candidate}`);
      problems.push(`unknown option ${rawName}${suggestion(rawName, names)}`);
    } else if (option.kind === 'flag') {
      if (value !== undefined) problems.push(`${rawName} takes no value`);
      values.set(name, []);
    } else if (value === undefined || (!inlineValue && value.startsWith('-') && value !== '-')) {
      problems.push(`${rawName} needs a value; write one that begins with "-" as ${rawName}=-...`);
    } else if (option.kind === 'text' && values.has(name)) problems.push(`${rawName} can be used only once`);
    else values.set(name, [...(values.get(name) ?? []), value]);
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  const given = known.map(([name, { kind }]) => {
    const texts = values.get(name);
    return [name, kind === 'flag' ? texts !== undefined : kind === 'text' ? texts?.[0] : (texts ?? [])];
  });
  return { words, given: Object.fromEntries(given) as Given<O> };
}

/** A version, position or count. Throws UsageError. */
export function wholeNumber(text: string, name: string): bigint {
  if (/^\d{1,20}$/.test(text) && BigInt(text) < 2n ** 64n) return BigInt(text);
  throw new UsageError(`${name} must be a whole number; found "${text}"`);
}

/** Like `wholeNumber`, for an option that may be left out. */
export function optionalNumber(text: string | undefined, name: string): bigint | undefined {
  return text === undefined ? undefined : wholeNumber(text, name);
}
