import { UsageError } from './failure';

const msOf: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The time that `--expires` stands for, as in the auth file; undefined: never. Throws UsageError. */
export function expiryOf(text: string | undefined, now: Date): string | undefined {
  if (text === undefined) return undefined;
  const time = timeOf(text, now);
  if (time === undefined || Number.isNaN(time)) {
    throw new UsageError(
      `--expires must be a duration such as 90d or 12h, a date such as 2027-01-01, or a time with its zone; found "${text}"`,
    );
  }
  if (time <= now.getTime()) throw new UsageError(`--expires must be in the future; found "${text}"`);
  return new Date(time).toISOString().replace('.000Z', 'Z');
}

/** A date begins at midnight in UTC. */
function timeOf(text: string, now: Date): number | undefined {
  const [, count, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (count !== undefined)
    return Math.floor(now.getTime() / 1_000) * 1_000 + Number(count) * (msOf[unit] ?? 0);
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  return isTime ? Date.parse(text) : undefined;
}
