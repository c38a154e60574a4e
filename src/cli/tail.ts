import type { SubscribeOptions } from '../client/client';
import { optionalNumber, wholeNumber } from './arguments';
import { defineCommand } from './command';
import { UsageError } from './failure';
import { follow } from './follow';

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
      help: 'A position, a time such as 2026-11-25T12:00:00Z, or now, the default. 0 is the beginning.',
    },
    'max-count': { kind: 'text', value: 'N', help: 'End after this many events.' },
    'skip-unreadable': {
      kind: 'flag',
      help: 'Pass over what is not a commit, and name it on standard error.',
    },
    type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; may be given several times.' },
  },
  plan({ words: patterns, given }) {
    const start = startOf(given.from ?? 'now');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const options = { ...start, patterns, eventTypes: given.type };
    return (context) =>
      follow(context, options, {
        asJson: given.json,
        maxCount,
        skipsUnreadable: given['skip-unreadable'],
      });
  },
});

/** Where to begin; what it names is included. */
function startOf(text: string): Pick<SubscribeOptions, 'after' | 'fromTime' | 'fromNow'> {
  if (text === 'now') return { fromNow: true };
  if (/^\d+$/.test(text)) {
    const position = wholeNumber(text, '--from');
    return { after: position === 0n ? 0n : position - 1n };
  }
  const fromTime = toNanos(text);
  if (fromTime !== undefined) return { fromTime };
  throw new UsageError(
    `--from must be a position, a time such as 2026-11-25T12:00:00Z, or now; found "${text}"`,
  );
}

/** Nanoseconds since 1970 of a time with its zone in RFC 3339; undefined: it is none. */
function toNanos(text: string): bigint | undefined {
  const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
  const [, time = '', fraction = '', zone = ''] = pattern.exec(text) ?? [];
  const ms = Date.parse(time + zone);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
