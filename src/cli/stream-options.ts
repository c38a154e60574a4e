import type { RetentionSettings, VersionRange } from '../client/client';
import { optionalNumber, wholeNumber, type Given, type Options } from './arguments';
import { UsageError } from './failure';

const changeOptions = {
  'expected-version': {
    kind: 'text',
    value: 'N',
    help: 'The version that the stream must have. Default: any version from 1 on.',
  },
  'commit-id': {
    kind: 'text',
    value: 'UUID',
    help: 'Idempotency key: a change that is repeated with it is stored only once.',
  },
  'dry-run': { kind: 'flag', help: 'Print what the change would do, and change nothing.' },
  yes: { kind: 'flag', help: 'Do not ask. Needed where standard input is not a terminal.' },
} as const satisfies Options;

/** The options of all verbs of `stream`. */
export const streamOptions = {
  before: { kind: 'text', value: 'VERSION', help: 'truncate: hide the events before this version.' },
  'max-count': { kind: 'text', value: 'N', help: 'retain: keep the newest N events.' },
  'max-age': {
    kind: 'text',
    value: 'TIME',
    help: 'retain: keep events that are not older, for example 12h or 90d. From 1s to 36525d.',
  },
  from: { kind: 'text', value: 'VERSION', help: 'erase: the first version, which begins a commit.' },
  to: { kind: 'text', value: 'VERSION', help: 'erase: the last version, which ends a commit.' },
  reason: {
    kind: 'text',
    value: 'TEXT',
    help: 'erase: why, for the record that remains; it must not be personal itself.',
  },
  all: {
    kind: 'flag',
    help: 'retain: keep all events, instead of --max-count and --max-age. erase: all events.',
  },
  ...changeOptions,
} as const satisfies Options;

export type StreamOptions = Given<typeof streamOptions>;

const changes = Object.keys(changeOptions) as (keyof typeof changeOptions)[];

/** What each verb takes. */
const verbs = {
  show: [],
  truncate: ['before', ...changes],
  retain: ['max-count', 'max-age', 'all', ...changes],
  delete: changes,
  tombstone: changes,
  erase: ['from', 'to', 'all', 'reason', ...changes],
} as const satisfies Readonly<Record<string, readonly (keyof StreamOptions)[]>>;

export type StreamVerb = keyof typeof verbs;
export const streamVerbs = Object.keys(verbs) as StreamVerb[];

/** A change that was asked for. */
export type StreamChangeRequest =
  | { readonly verb: 'truncate'; readonly before: bigint }
  | { readonly verb: 'retain'; readonly retention: RetentionSettings }
  | { readonly verb: 'delete' | 'tombstone' }
  | StreamErasure;

export interface StreamErasure {
  readonly verb: 'erase';
  /** undefined: all versions that the stream has. */
  readonly range: VersionRange | undefined;
  readonly reason: string;
}

/** What an erasure covers of a stream at a version. */
export function rangeOf({ range }: StreamErasure, version: bigint): VersionRange {
  return range ?? { fromVersion: 1n, toVersion: version };
}

/** Throws UsageError for options that are not for this verb. */
export function checkStreamOptions(verb: StreamVerb, given: StreamOptions): void {
  const allowed: readonly string[] = verbs[verb];
  for (const name of Object.keys(streamOptions) as (keyof StreamOptions)[]) {
    const isGiven = given[name] !== undefined && given[name] !== false;
    if (isGiven && !allowed.includes(name)) throw new UsageError(`--${name} is not for ${verb}`);
  }
}

/** Throws UsageError. */
export function changeOf(verb: Exclude<StreamVerb, 'show'>, given: StreamOptions): StreamChangeRequest {
  switch (verb) {
    case 'truncate':
      if (given.before === undefined) throw new UsageError('--before is missing');
      return { verb, before: wholeNumber(given.before, '--before') };
    case 'retain':
      return { verb, retention: retentionOf(given) };
    case 'delete':
    case 'tombstone':
      return { verb };
    case 'erase':
      return erasureOf(given);
  }
}

function erasureOf({ from, to, all, reason }: StreamOptions): StreamErasure {
  if (reason === undefined) throw new UsageError('--reason is missing');
  if (all === (from !== undefined || to !== undefined) || (from === undefined) !== (to === undefined))
    throw new UsageError('erase needs --from and --to, or --all');
  if (from === undefined || to === undefined) return { verb: 'erase', range: undefined, reason };
  const range = { fromVersion: wholeNumber(from, '--from'), toVersion: wholeNumber(to, '--to') };
  if (range.fromVersion < 1n || range.toVersion < range.fromVersion)
    throw new UsageError('--from must be at least 1, and --to at least --from');
  return { verb: 'erase', range, reason };
}

function retentionOf(given: StreamOptions): RetentionSettings {
  const maxCount = optionalNumber(given['max-count'], '--max-count');
  if (maxCount === 0n) throw new UsageError('--max-count must be at least 1; --all keeps all events');
  const maxAgeMs = ageOf(given['max-age']);
  const isBounded = maxCount !== undefined || maxAgeMs !== undefined;
  if (isBounded === given.all) throw new UsageError('retain needs --max-count, --max-age or both, or --all');
  return { ...(maxCount !== undefined && { maxCount }), ...(maxAgeMs !== undefined && { maxAgeMs }) };
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

function ageOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = new Map<string, number>(units).get(unit);
  if (ms !== undefined) return Number(count) * ms;
  throw new UsageError(`--max-age must be a time such as 30m, 12h or 90d; found "${text}"`);
}

/** An age as `--max-age` takes it, in the largest unit that is exact. */
export function ageText(ms: number): string {
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
