import type { GroupSettings } from '../client/client';
import { optionalNumber, type Given, type Options } from './arguments';
import { UsageError } from './failure';
import { keysOptions } from './keys-option';
import { queryOf, queryOption } from './query-option';

/** The settings of a group, for `create` and `update`. */
const settingOptions = {
  pattern: { kind: 'texts', value: 'PATTERN', help: 'Its streams; can be repeated. Default: all streams.' },
  type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; can be repeated. Default: all.' },
  'type-prefix': {
    kind: 'texts',
    value: 'TEXT',
    help: 'Only events whose type begins so, or is given by --type; can be repeated.',
  },
  ...queryOption,
  lanes: {
    kind: 'text',
    value: 'N',
    help: 'No more members than this have work at a time; fixed by create. Default: 32.',
  },
  'attempts-max': {
    kind: 'text',
    value: 'N',
    help: 'Park an event after this number of failed attempts; 0: never. Default: 10.',
  },
  'backoff-min': { kind: 'text', value: 'TIME', help: 'The wait before the first retry. Default: 1s.' },
  'backoff-max': { kind: 'text', value: 'TIME', help: 'The longest wait before a retry. Default: 60s.' },
  'ack-timeout': { kind: 'text', value: 'TIME', help: 'How long handling may take. Default: 30s.' },
  'handover-timeout': {
    kind: 'text',
    value: 'TIME',
    help: 'How long a member may finish what it has of a lane that it loses. Default: 5s.',
  },
  'parked-max': { kind: 'text', value: 'N', help: 'The largest number of parked events. Default: 1000.' },
  'park-following': {
    kind: 'text',
    value: 'yes|no',
    help: 'Park also what follows a parked event on its stream. Default: no.',
  },
  'skip-unreadable': {
    kind: 'text',
    value: 'yes|no',
    help: 'Skip messages that are not commits. Default: no.',
  },
} as const satisfies Options;

/** The options of all verbs of `group`. */
export const groupOptions = {
  ...settingOptions,
  from: {
    kind: 'text',
    value: 'START',
    help: 'A position (0: all), a time (2026-11-25T12:00:00Z), a time ago (1h), or now. Created: 0.',
  },
  force: { kind: 'flag', help: 'Delete or reset the group although it has members.' },
  stream: { kind: 'text', value: 'STREAM', help: 'Only parked events of this stream.' },
  version: { kind: 'text', value: 'N', help: 'Only the parked event of this version of --stream.' },
  all: { kind: 'flag', help: 'Drop the parked events of all streams.' },
  events: { kind: 'flag', help: 'With --json: parked events with their content.' },
  ...keysOptions,
  'max-count': { kind: 'text', value: 'N', help: 'Print at most this many.' },
} as const satisfies Options;

export type GroupOptions = Given<typeof groupOptions>;

const settingNames = Object.keys(settingOptions) as (keyof typeof settingOptions)[];

/** What each verb takes. */
const verbs = {
  create: [...settingNames, 'from'],
  update: settingNames.filter((name) => name !== 'lanes'),
  delete: ['force'],
  list: ['max-count'],
  get: [],
  reset: ['from', 'force'],
  parked: ['stream', 'events', 'keys', 'master-key-file', 'max-count'],
  replay: ['stream', 'version'],
  drop: ['stream', 'version', 'all'],
} as const satisfies Readonly<Record<string, readonly (keyof GroupOptions)[]>>;

export type GroupVerb = keyof typeof verbs;
export const groupVerbs = Object.keys(verbs) as GroupVerb[];

/** Throws UsageError for options that are not for this verb, and for those that need another one. */
export function checkOptions(verb: GroupVerb, given: GroupOptions): void {
  const allowed: readonly string[] = verbs[verb];
  for (const name of Object.keys(groupOptions) as (keyof GroupOptions)[]) {
    const value = given[name];
    const isGiven = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
    if (isGiven && !allowed.includes(name)) throw new UsageError(`--${name} is not for ${verb}`);
  }
  if (given.version !== undefined && given.stream === undefined)
    throw new UsageError('--version needs --stream');
  if (verb === 'reset' && given.from === undefined) throw new UsageError('--from is missing');
  if (verb === 'drop' && given.stream === undefined && !given.all)
    throw new UsageError('drop needs --stream, or --all for all streams');
}

/** The settings that are given. An empty value of --pattern, --type, --type-prefix or --query stands for none. Throws UsageError. */
export function settingsOf(given: GroupOptions): GroupSettings {
  const texts = (values: readonly string[]): readonly string[] | undefined =>
    values.length === 0 ? undefined : values.filter((value) => value !== '');
  const number = (name: 'lanes' | 'attempts-max' | 'parked-max'): number | undefined => {
    const value = optionalNumber(given[name], `--${name}`);
    return value === undefined ? undefined : Number(value);
  };
  const all = {
    patterns: texts(given.pattern),
    eventTypes: texts(given.type),
    eventTypePrefixes: texts(given['type-prefix']),
    lanes: number('lanes'),
    attemptsMax: number('attempts-max'),
    backoffMinMs: timeOf(given, 'backoff-min'),
    backoffMaxMs: timeOf(given, 'backoff-max'),
    ackTimeoutMs: timeOf(given, 'ack-timeout'),
    handoverTimeoutMs: timeOf(given, 'handover-timeout'),
    parkedMax: number('parked-max'),
    parkFollowing: yesOrNo(given, 'park-following'),
    skipUnreadable: yesOrNo(given, 'skip-unreadable'),
  };
  const settings = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  if (given.query === undefined) return settings;
  return { ...settings, query: given.query === '' ? undefined : queryOf(given.query) };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function timeOf(
  given: GroupOptions,
  name: 'backoff-min' | 'backoff-max' | 'ack-timeout' | 'handover-timeout',
): number | undefined {
  const text = given[name];
  if (text === undefined) return undefined;
  const [, count = '', unit = ''] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  const ms = unitMs[unit];
  if (ms !== undefined) return Number(count) * ms;
  throw new UsageError(`--${name} must be a time such as 500ms, 30s, 5m or 1h; found "${text}"`);
}

function yesOrNo(given: GroupOptions, name: 'park-following' | 'skip-unreadable'): boolean | undefined {
  const text = given[name];
  if (text === undefined || text === 'yes') return text && true;
  if (text === 'no') return false;
  throw new UsageError(`--${name} must be yes or no; found "${text}"`);
}
