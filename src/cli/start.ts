import type { GroupStart, SubscribeOptions } from '../client/client';
import { wholeNumber } from './arguments';
import { UsageError } from './failure';

/** A place in the store where something starts, as an option names it: the first commit, inclusive. Throws UsageError. */
export function startOf(text: string): Pick<SubscribeOptions, 'after' | 'fromTime' | 'fromNow'> {
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

/** The same for a group. */
export function groupStartOf(text: string): GroupStart {
  const { after, fromTime, fromNow } = startOf(text);
  if (fromNow === true) return 'end';
  if (fromTime !== undefined) return { fromTime };
  return after === undefined ? 'beginning' : { after: BigInt(after) };
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
