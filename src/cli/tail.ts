import { SluiceError, type SubscribeOptions } from '../client/client';
import { optionalNumber, wholeNumber } from './arguments';
import { defineCommand, type Context } from './command';
import { fullOption } from './event-text';
import { UsageError } from './failure';
import { follow } from './follow';
import { patternHint } from './nothing';

export const tailCommand = defineCommand({
  name: 'tail',
  usage: '[PATTERN...]',
  summary: 'Follow the whole store, or the streams that match patterns, until Ctrl-C.',
  details:
    'Patterns are in NATS notation: "order.*" is one further token, "order.>" one or more; quote them,\n' +
    'or the shell may take them for files. A gateway that goes away is waited for; nothing is left out.',
  options: {
    from: {
      kind: 'text',
      value: 'START',
      help: 'A position (0: the start), a time (2026-11-25T12:00:00Z), how long ago (1h), now (default).',
    },
    'max-count': { kind: 'text', value: 'N', help: 'End after this many events.' },
    'skip-unreadable': {
      kind: 'flag',
      help: 'Pass over what is not a commit, and name it on standard error.',
    },
    ...fullOption,
    type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; may be given several times.' },
  },
  plan({ words: patterns, given }) {
    const start = startOf(given.from ?? 'now');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const options = { ...start, patterns, eventTypes: given.type };
    const style = { asJson: given.json, full: given.full };
    const skipsUnreadable = given['skip-unreadable'];
    return async (context) => {
      await hintPatterns(context, patterns);
      return await follow(context, options, { style, maxCount, skipsUnreadable });
    };
  },
});

/** Says of a name that is no stream, but the beginning of some, that a pattern may have been meant. */
async function hintPatterns(context: Context, patterns: readonly string[]): Promise<void> {
  for (const name of patterns) {
    const hint = await patternHint(context, [name]);
    if (hint === '') continue;
    if (await isEmpty(context, name)) await context.err.line(`sluice: there is no stream ${name}${hint}`);
  }
}

/** False also if that is not known: a hint is not worth a failure. */
async function isEmpty({ client, deadlineMs, signal }: Context, stream: string): Promise<boolean> {
  try {
    return (await client.getVersion(stream, { deadlineMs, signal })).version === 0n;
  } catch (error) {
    if (error instanceof SluiceError) return false;
    throw error;
  }
}

/** Where to begin; what it names is included. */
function startOf(text: string): Pick<SubscribeOptions, 'after' | 'fromTime' | 'fromNow'> {
  if (text === 'now') return { fromNow: true };
  if (/^\d+$/.test(text)) {
    const position = wholeNumber(text, '--from');
    return { after: position === 0n ? 0n : position - 1n };
  }
  const fromTime = toNanos(text) ?? ago(text);
  if (fromTime !== undefined) return { fromTime };
  throw new UsageError(
    `--from must be a position, a time such as 2026-11-25T12:00:00Z, how long ago, such as 30s, 15m, 1h or 2d, or now; found "${text}"`,
  );
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Nanoseconds since 1970 of the time that lies this long before now; undefined: it is no such length. */
function ago(text: string): bigint | undefined {
  const [, count = '', unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  const ms = unitMs[unit];
  return ms === undefined ? undefined : BigInt(Math.max(0, Date.now() - Number(count) * ms)) * 1_000_000n;
}

/** Nanoseconds since 1970 of a time with its zone in RFC 3339; undefined: it is none. */
function toNanos(text: string): bigint | undefined {
  const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
  const [, time = '', fraction = '', zone = ''] = pattern.exec(text) ?? [];
  const ms = Date.parse(time + zone);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
