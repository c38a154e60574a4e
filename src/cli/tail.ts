import type { SubscribeOptions } from '../client/client';
import { optionalNumber, wholeNumber } from './arguments';
import { defineCommand } from './command';
import { printOptions } from './event-text';
import { UsageError } from './failure';
import { follow } from './follow';
import { hintPatterns } from './nothing';
import { skipOption } from './unreadable';
import { patternHelp, permittedOption } from './words';

export const tailCommand = defineCommand({
  name: 'tail',
  usage: '[PATTERN...]',
  summary: 'Print events as they are stored: of the whole store, or of matching streams.',
  details:
    `${patternHelp}\n` +
    'The command runs until Ctrl-C or --max-count. When the gateway becomes unavailable, it waits and\n' +
    'misses no event.',
  options: {
    from: {
      kind: 'text',
      value: 'START',
      help: 'A position (0: all), a time (2026-11-25T12:00:00Z), a time ago (1h), or now (default).',
    },
    ...printOptions,
    ...skipOption,
    ...permittedOption,
  },
  plan({ words: patterns, given }) {
    const start = startOf(given.from ?? 'now');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const options = { ...start, patterns, eventTypes: given.type, permittedOnly: given['permitted-only'] };
    const style = { asJson: given.json, full: given.full };
    const skipsUnreadable = given['skip-unreadable'];
    return async (context) => {
      await hintPatterns(context, patterns);
      return await follow(context, options, { style, maxCount, skipsUnreadable });
    };
  },
});

/** The start of the subscription; `text` names the first commit, inclusive. */
function startOf(text: string): Pick<SubscribeOptions, 'after' | 'fromTime' | 'fromNow'> {
  if (text === 'now') return { fromNow: true };
  if (/^\d+$/.test(text)) {
    const position = wholeNumber(text, '--from');
    return { after: position === 0n ? 0n : position - 1n };
  }
  const fromTime = toNanos(text) ?? ago(text);
  if (fromTime !== undefined) return { fromTime };
  throw new UsageError(
    `--from must be a position, a time such as 2026-11-25T12:00:00Z, a time ago such as 30s, 15m, 1h or 2d, or now; found "${text}"`,
  );
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The time this long before now, in nanoseconds since 1970; undefined: the text is not a duration. */
function ago(text: string): bigint | undefined {
  const [, count = '', unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  const ms = unitMs[unit];
  return ms === undefined ? undefined : BigInt(Math.max(0, Date.now() - Number(count) * ms)) * 1_000_000n;
}

/** A time with its zone in RFC 3339, in nanoseconds since 1970; undefined: the text is not such a time. */
function toNanos(text: string): bigint | undefined {
  const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
  const [, time = '', fraction = '', zone = ''] = pattern.exec(text) ?? [];
  const ms = Date.parse(time + zone);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
