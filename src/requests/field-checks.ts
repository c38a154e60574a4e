import type { Duration } from '../../generated/google/protobuf/duration';
import type { Timestamp } from '../../generated/google/protobuf/timestamp';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import { parseGroupName, type GroupName } from '../store/consumer-groups';
import {
  isStreamPattern,
  parseCommitId,
  parseStreamName,
  position,
  unixNanos,
  version,
  type CommitId,
  type Position,
  type StreamName,
  type UnixNanos,
  type Version,
} from '../store/values';
import { excess, shown, type Findings } from './findings';

/**
 * Checks of single fields of a request. Each notes in `Findings` what is wrong and then returns some value that nobody uses,
 * because the findings are thrown before the request is carried out.
 */

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

/** The name of a group or the id of a member. */
export function groupName(text: string, findings: Findings, field = 'group'): GroupName {
  const name = parseGroupName(text);
  if (name !== undefined) return name;
  const must = 'is not 1 to 100 characters of A-Z a-z 0-9 _ : @ = + ~ -';
  findings.add(field, text === '' ? 'is required' : `${must}: ${shown(text)}`);
  return text as GroupName;
}

/** A whole number within bounds. */
export function countWithin(
  value: number,
  field: string,
  { min, max }: { readonly min: number; readonly max: number },
  findings: Findings,
): number {
  if (!(value >= min && value <= max)) findings.add(field, `is ${value}, not ${min} to ${max}`);
  return value;
}

/** "": undefined, the caller did not ask for idempotency. */
export function commitIdOf(text: string, findings: Findings): CommitId | undefined {
  if (text === '') return undefined;
  const commitId = parseCommitId(text);
  if (commitId === undefined) findings.add('commit_id', `is not a UUID: ${shown(text)}`);
  return commitId;
}

const visibleAscii = /^[\x21-\x7e]+$/;

/** An event, correlation or causation id that is not empty. */
export function checkId(value: string, field: string, { idCharsMax }: Limits, findings: Findings): void {
  if (value.length > idCharsMax) findings.add(field, excess(value.length, 'characters', idCharsMax));
  else if (!visibleAscii.test(value)) {
    findings.add(field, `has characters other than visible ASCII: ${shown(value)}`);
  }
}

/** "": not given. */
export function storeIdOf(
  { storeId }: { readonly storeId: string },
  limits: Limits,
  findings: Findings,
): string {
  if (storeId !== '') checkId(storeId, 'store_id', limits, findings);
  return storeId;
}

export function afterCountOf(
  request: { readonly afterPosition?: bigint | undefined; readonly afterCount?: bigint | undefined },
  findings: Findings,
): bigint | undefined {
  const { afterPosition, afterCount } = request;
  if (afterCount !== undefined && afterPosition === undefined)
    findings.add('after_count', 'requires after_position');
  return afterCount;
}

const bytesPerCharMax = 3; // of UTF-8, for one UTF-16 unit

/** A type, content type or metadata key, which may be empty. */
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

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const controlCharacter = /[\x00-\x1f\x7f-\x9f]/;

export function checkNoControls(value: string, field: string, findings: Findings): void {
  if (controlCharacter.test(value)) findings.add(field, `has control characters: ${shown(value)}`);
}

/** The tags of an event, or of an item of a query, which are at `list`. */
export function checkTags(tags: readonly string[], list: string, limits: Limits, findings: Findings): void {
  const { tagsMax, tagBytesMax } = limits;
  if (tags.length > tagsMax) {
    findings.add(list, excess(tags.length, 'tags', tagsMax));
    return;
  }
  for (const [index, tag] of tags.entries()) {
    const field = `${list}[${index}]`;
    if (tag === '') findings.add(field, 'is empty');
    if (tag.length * bytesPerCharMax > tagBytesMax) {
      const bytes = Buffer.byteLength(tag);
      if (bytes > tagBytesMax) findings.add(field, excess(bytes, 'bytes', tagBytesMax));
    }
    checkNoControls(tag, field, findings);
  }
}

/** `list`: the field that has the types. */
export function eventTypeFilter(
  types: readonly string[],
  limits: Limits,
  findings: Findings,
  list = 'event_types',
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

export function checkStreamPattern(pattern: string, field: string, findings: Findings): void {
  if (isStreamPattern(pattern)) return;
  findings.add(field, `is not a pattern of stream names such as "order.*" or "order.>": ${shown(pattern)}`);
}

const secondsMax = 9_223_372_035n; // the last full second of 2262 that fits 63 bits of nanoseconds
const nanosMax = 999_999_999;

export function timestamp(
  time: Timestamp | undefined,
  field: string,
  findings: Findings,
): UnixNanos | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (seconds < 0n || seconds > secondsMax || !Number.isInteger(nanos) || nanos < 0 || nanos > nanosMax) {
    const found = `${seconds.toString()} s and ${nanos} ns`;
    findings.add(field, `is not a time from 1970 to 2262 with 0 to 999999999 ns: ${shown(found)}`);
    return undefined;
  }
  return unixNanos(seconds * 1_000_000_000n + BigInt(nanos));
}

export function timeRange(
  request: { readonly fromTime: Timestamp | undefined; readonly toTime: Timestamp | undefined },
  findings: Findings,
): { fromTime: UnixNanos | undefined; toTime: UnixNanos | undefined } {
  const fromTime = timestamp(request.fromTime, 'from_time', findings);
  const toTime = timestamp(request.toTime, 'to_time', findings);
  if (fromTime !== undefined && toTime !== undefined && toTime < fromTime) {
    findings.add('to_time', 'is before from_time');
  }
  return { fromTime, toTime };
}

// undefined: of a later version of the contract.
const directions: Readonly<Record<Direction, 'forward' | 'backward' | undefined>> = {
  [Direction.UNSPECIFIED]: 'forward',
  [Direction.FORWARD]: 'forward',
  [Direction.BACKWARD]: 'backward',
  [Direction.UNRECOGNIZED]: undefined,
};

export function directionOf(number: Direction, findings: Findings): 'forward' | 'backward' {
  const direction = directions[number];
  if (direction === undefined) findings.add('direction', `is unknown: ${number}`);
  return direction ?? 'forward';
}

/** In milliseconds. */
export function duration(
  { seconds, nanos }: Duration,
  field: string,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  findings: Findings,
): number {
  const ms = Number(seconds) * 1_000 + nanos / 1_000_000;
  if (!(ms >= minMs && ms <= maxMs)) findings.add(field, `is ${ms} ms, not ${minMs} to ${maxMs} ms`);
  return ms;
}

export function positionNumber(value: bigint, field: string, findings: Findings): Position {
  return position(uint64(value, field, findings));
}

export function versionNumber(value: bigint, field: string, findings: Findings): Version {
  return version(uint64(value, field, findings));
}

/** A bound on a count; 0: undefined, no bound. */
export function maxCount(value: bigint, findings: Findings): bigint | undefined {
  return uint64(value, 'max_count', findings) || undefined;
}

/** From the wire it cannot be anything else; callers inside the process get the same check. */
function uint64(value: bigint, field: string, findings: Findings): bigint {
  if (BigInt.asUintN(64, value) === value) return value;
  findings.add(field, 'is not an unsigned 64-bit number');
  return 0n;
}
