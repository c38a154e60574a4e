import { z } from 'zod';
import { suggestion } from '../config/nearest-name';
import { defaultLimits } from '../limits';

/** The kinds of fields of the auth file. Each error says what the field must be. */

/** An object without unknown fields. */
export function fields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return 'must be an object';
      const { keys } = issue as unknown as { readonly keys: readonly string[] };
      const shown = keys.slice(0, shownKeysMax);
      return shown.map((key) => `has the unknown field ${shownKey(key)}${hint(key, known)}`).join('; ');
    },
  });
}

/** A text that an error never shows: it may be a secret in the wrong place. */
export function hiddenText(isValid: (value: string) => boolean, must: string) {
  return z.string({ error: must }).refine(isValid, must);
}

export function text(isValid: (value: string) => boolean, must: string) {
  return z.string({ error: must }).refine(isValid, { error: ({ input }) => `${must}${found(input)}` });
}

export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, {
    error: ({ input }) => `must be one of ${words.join(', ')}${found(input)}${hint(input, words)}`,
  });
}

export function whole(min: number, max: number) {
  const must = `must be a whole number from ${min} to ${max}`;
  return z.int({ error: must }).min(min, must).max(max, must);
}

export function list<T extends z.ZodType>(item: T, max: number) {
  return z.array(item, { error: 'must be a list' }).max(max, `must have at most ${max} entries`);
}

/** An object with any keys that are valid. */
export function record<T extends z.ZodType>(isKey: (key: string) => boolean, must: string, value: T) {
  const { authEntriesMax: max } = defaultLimits;
  return z
    .record(z.string().refine(isKey, must), value, {
      error: (issue) =>
        issue.code === 'invalid_type' ? 'must be an object' : `has an invalid name: it ${must}`,
    })
    .refine((entries) => Object.keys(entries).length <= max, `must have at most ${max} entries`);
}

const shownKeysMax = 10;
const shownCharsMax = 60;

/** "; found …", for a value that may be shown. Of an object or a list only that: it may be nested without end. */
export function found(value: unknown): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return '; found a list';
  return `; found ${typeof value === 'object' && value !== null ? 'an object' : cut(JSON.stringify(value))}`;
}

/** "; did you mean …?", for a value that may be a name with a typing error. */
export function hint(value: unknown, known: readonly string[]): string {
  return typeof value === 'string' && value.length <= shownCharsMax ? suggestion(value, known) : '';
}

/** A key for a line of text: short, and without line feeds. */
export function shownKey(key: string): string {
  return cut(JSON.stringify(key).slice(1, -1));
}

function cut(text: string): string {
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text;
}
