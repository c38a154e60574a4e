import { parseArgs } from 'node:util';
import { suggestion } from '../config/nearest-name';
import { UsageError } from './failure';

/** An option of a command. */
export interface Option {
  /** `flag`: has no value; `text`: given at most once; `texts`: any number of times. */
  readonly kind: 'flag' | 'text' | 'texts';
  /** What its value is called in the help. */
  readonly value?: string;
  readonly help: string;
}

/** By name, without the dashes. */
export type Options = Readonly<Record<string, Option>>;

/** What was given for the options of a command. */
export type Given<O extends Options> = {
  readonly [Name in keyof O]: O[Name]['kind'] extends 'flag'
    ? boolean
    : O[Name]['kind'] extends 'text'
      ? string | undefined
      : readonly string[];
};

/** The words of a command line that are not options, with the values of those that are. */
export interface Arguments<O extends Options> {
  readonly words: readonly string[];
  readonly given: Given<O>;
}

/** Throws UsageError with all that is wrong. */
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
      problems.push(`${rawName} needs a value; one that begins with "-" is written ${rawName}=-...`);
    } else if (option.kind === 'text' && values.has(name)) problems.push(`${rawName} is given twice`);
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

/** The same of an option that may not be given. */
export function optionalNumber(text: string | undefined, name: string): bigint | undefined {
  return text === undefined ? undefined : wholeNumber(text, name);
}
