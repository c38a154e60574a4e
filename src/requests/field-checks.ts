import type { Limits } from '../limits';
import { InvalidRequestError, type FieldViolation } from '../store/errors';
import {
  isStreamPattern,
  parseStreamName,
  position,
  unixNanos,
  version,
  type Position,
  type StreamName,
  type UnixNanos,
  type Version,
} from '../store/values';

/**
 * Checks of single fields of a request. Each notes in `Findings` what is wrong and then answers some value that
 * nobody gets to see, because the findings are thrown before the request is used.
 */

/** A time as it comes from outside, like google.protobuf.Timestamp; a google.protobuf.Duration has the same shape. */
export interface RawTimestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

const violationsMax = 32;

/** Notes what is wrong with a request, up to a bound. */
export class Findings {
  private readonly violations: FieldViolation[] = [];
  private list = '';
  private index = 0;

  /** From here on, fields are those of an element of a list; the empty field is the element itself. "": of the request. */
  enter(list: string, index = 0): void {
    this.list = list;
    this.index = index;
  }

  add(field: string, description: string): void {
    if (!this.full) this.violations.push({ field: this.pathOf(field), description });
  }

  private pathOf(field: string): string {
    if (this.list === '') return field;
    const element = `${this.list}[${this.index}]`;
    return field === '' ? element : `${element}.${field}`;
  }

  /** Nothing more will be noted, so nothing more needs to be looked at. */
  get full(): boolean {
    return this.violations.length >= violationsMax;
  }

  /** Throws InvalidRequestError. */
  throwIfAny(): void {
    if (this.violations.length > 0) throw new InvalidRequestError(this.violations);
  }
}

export function streamName(text: string, findings: Findings, field = 'stream'): StreamName {
  const name = parseStreamName(text);
  if (name !== undefined) return name;
  findings.add(
    field,
    text === ''
      ? 'is required'
      : `is not 1 to 16 tokens of A-Z a-z 0-9 _ : @ = + ~ - joined by ".", at most 200 bytes: ${shown(text)}`,
  );
  return text as StreamName;
}

const visibleAscii = /^[\x21-\x7e]+$/;

/** An event, correlation or causation id that is not empty. */
export function checkId(value: string, field: string, { idCharsMax }: Limits, findings: Findings): void {
  if (value.length > idCharsMax) findings.add(field, excess(value.length, 'characters', idCharsMax));
  else if (!visibleAscii.test(value)) {
    findings.add(field, `has other than visible ASCII characters: ${shown(value)}`);
  }
}

const bytesPerCharMax = 3; // of UTF-8, for one UTF-16 unit

/** A type, content type, tag or metadata key, which may be empty. */
export function checkLabel(
  value: string,
  field: string,
  { labelBytesMax }: Limits,
  findings: Findings,
): void {
  if (value.length * bytesPerCharMax <= labelBytesMax) return;
  const bytes = Buffer.byteLength(value);
  if (bytes > labelBytesMax) findings.add(field, excess(bytes, 'bytes', labelBytesMax));
}

export function eventTypeFilter(
  types: readonly string[],
  limits: Limits,
  findings: Findings,
  list: 'event_types' | 'event_type_prefixes' = 'event_types',
): ReadonlySet<string> {
  const { filterTypesMax } = limits;
  if (types.length > filterTypesMax) {
    findings.add(list, excess(types.length, 'types', filterTypesMax));
    return new Set();
  }
  for (const [index, type] of types.entries()) {
    const field = `${list}[${index}]`;
    if (type === '') findings.add(field, 'is empty');
    checkLabel(type, field, limits, findings);
  }
  return new Set(types);
}

export function streamPatterns(
  patterns: readonly string[],
  { filterPatternsMax }: Limits,
  findings: Findings,
): readonly string[] {
  if (patterns.length > filterPatternsMax) {
    findings.add('patterns', excess(patterns.length, 'patterns', filterPatternsMax));
    return [];
  }
  for (const [index, pattern] of patterns.entries()) streamPattern(pattern, `patterns[${index}]`, findings);
  return patterns;
}

export function streamPattern(pattern: string, field: string, findings: Findings): void {
  if (isStreamPattern(pattern)) return;
  findings.add(field, `is no pattern of stream names like "order.*" or "order.>": ${shown(pattern)}`);
}

const secondsMax = 9_223_372_035n; // the last full second of 2262 that fits 63 bits of nanoseconds
const nanosMax = 999_999_999;

export function timestamp(
  raw: RawTimestamp | undefined,
  field: string,
  findings: Findings,
): UnixNanos | undefined {
  if (raw === undefined) return undefined;
  const { seconds, nanos } = raw;
  if (seconds < 0n || seconds > secondsMax || !Number.isInteger(nanos) || nanos < 0 || nanos > nanosMax) {
    const found = `${seconds.toString()} s and ${nanos} ns`;
    findings.add(field, `is not a time from 1970 to 2262 with 0 to 999999999 ns: ${shown(found)}`);
    return undefined;
  }
  return unixNanos(seconds * 1_000_000_000n + BigInt(nanos));
}

export function timeRange(
  raw: { readonly fromTime?: RawTimestamp | undefined; readonly toTime?: RawTimestamp | undefined },
  findings: Findings,
): { fromTime: UnixNanos | undefined; toTime: UnixNanos | undefined } {
  const fromTime = timestamp(raw.fromTime, 'from_time', findings);
  const toTime = timestamp(raw.toTime, 'to_time', findings);
  if (fromTime !== undefined && toTime !== undefined && toTime < fromTime) {
    findings.add('to_time', 'is before from_time');
  }
  return { fromTime, toTime };
}

// Numbers of sluice.v1.Direction; 0 stands for the first.
const directions = ['forward', 'forward', 'backward'] as const;

export function directionOf(number: number, findings: Findings): 'forward' | 'backward' {
  const direction = directions[number];
  if (direction === undefined) findings.add('direction', `is unknown: ${number}`);
  return direction ?? 'forward';
}

/** In milliseconds. */
export function duration(
  raw: RawTimestamp,
  field: string,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  findings: Findings,
): number {
  const ms = Number(raw.seconds) * 1_000 + raw.nanos / 1_000_000;
  if (!(ms >= minMs && ms <= maxMs)) findings.add(field, `is ${ms} ms, not ${minMs} to ${maxMs} ms`);
  return ms;
}

export function positionNumber(value: bigint, field: string, findings: Findings): Position {
  return position(uint64(value, field, findings));
}

export function versionNumber(value: bigint, field: string, findings: Findings): Version {
  return version(uint64(value, field, findings));
}

/** A bound on a count: 0 is none. */
export function maxCount(value: bigint, findings: Findings): bigint | undefined {
  return uint64(value, 'max_count', findings) || undefined;
}

/** From the wire it cannot be anything else; callers inside the process are held to the same. */
function uint64(value: bigint, field: string, findings: Findings): bigint {
  if (BigInt.asUintN(64, value) === value) return value;
  findings.add(field, 'is not an unsigned 64-bit number');
  return 0n;
}

/** "has 70 bytes, more than the limit of 64" */
export function excess(found: number, unit: string, limit: number): string {
  return `has ${found} ${unit}, more than the limit of ${limit}`;
}

const shownCharsMax = 60;

/** The text for a message: quoted, control characters and half characters escaped, and cut if it is long. */
export function shown(text: string): string {
  return JSON.stringify(text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text);
}
