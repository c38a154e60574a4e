import type { VNode } from 'preact';
import { useSetting } from './settings';

/** How long ago, roughly: "now", "12 s", "3 min", "5 h", "2 d". */
export function ago(time: string, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - Date.parse(time)) / 1_000);
  if (seconds < 1) return 'now';
  if (seconds < 100) return `${Math.floor(seconds).toString()} s`;
  if (seconds < 6_000) return `${Math.floor(seconds / 60).toString()} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600).toString()} h`;
  return `${Math.floor(seconds / 86_400).toString()} d`;
}

const two = (value: number): string => value.toString().padStart(2, '0');

/** The date, and the time to the millisecond, in UTC or in the zone of the browser. */
export function timeText(time: string, zone: 'utc' | 'local'): { date: string; clock: string } {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return { date: time, clock: '' };
  const millis = at.getMilliseconds().toString().padStart(3, '0');
  if (zone === 'utc') {
    const text = at.toISOString();
    return { date: text.slice(0, 10), clock: text.slice(11, 23) };
  }
  const date = `${at.getFullYear().toString()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`;
  return { date, clock };
}

/** A time of the store. Its title has all nanoseconds. */
export function Time({ at }: { readonly at: string | undefined }): VNode {
  const zone = useSetting('zone');
  if (at === undefined) return <span class="faint">no time</span>;
  const { date, clock } = timeText(at, zone);
  return (
    <time dateTime={at} title={at} class="time">
      <span class="date">{date}</span> <span class="clock">{clock}</span>
    </time>
  );
}

/** What somebody typed as a time, as RFC 3339: "2026-11-25 16:15", also with seconds and a zone; in the zone that is set otherwise. */
export function parseTime(text: string, zone: 'utc' | 'local'): string | undefined {
  const form = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(\.\d{1,9})?)?)?(Z|[+-]\d{2}:\d{2})?$/;
  const [, day, minute = '00:00', second = '00', fraction = '', offset] = form.exec(text.trim()) ?? [];
  if (day === undefined) return undefined;
  const whole = `${day}T${minute}:${second}`;
  const at = new Date(`${whole}${offset ?? (zone === 'utc' ? 'Z' : '')}`);
  if (Number.isNaN(at.getTime())) return undefined;
  return at.toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}
