import type { Limits } from '../limits';
import type {
  AppendCommand,
  AppendMultiCommand,
  CorrelationQuery,
  ListStreamsQuery,
  ReadStreamQuery,
} from '../store/event-store';
import {
  checkId,
  directionOf,
  eventTypeFilter,
  excess,
  Findings,
  maxCount,
  shown,
  streamName,
  streamPattern,
  timeRange,
  timestamp,
  versionNumber,
  type RawTimestamp,
} from './field-checks';
import { newEvents, type RawEvent } from './new-event';
import {
  parseCommitId,
  parseStreamName,
  type CommitId,
  type StreamName,
  type UnixNanos,
  type Version,
} from '../store/values';

/**
 * Requests as they come from outside, of the shape of the messages in proto/sluice/v1, parsed into commands and
 * queries. Each parser finds all that is wrong, up to a bound, and throws it as one InvalidRequestError; it throws
 * nothing else.
 */

export interface RawAppend {
  readonly stream: string;
  readonly events: readonly RawEvent[];
  readonly expectedVersion?: bigint | undefined;
  readonly commitId: string;
  readonly withCommitTime: boolean;
}

export interface RawAppendMulti {
  readonly appends: readonly Omit<RawAppend, 'commitId' | 'withCommitTime'>[];
  readonly checks: readonly { readonly stream: string; readonly expectedVersion: bigint }[];
  readonly commitId: string;
}

export interface RawReadStream {
  readonly stream: string;
  readonly fromVersion: bigint;
  readonly toVersion: bigint;
  /** A number of sluice.v1.Direction, known or not. */
  readonly direction: number;
  readonly maxCount: bigint;
  readonly fromTime?: RawTimestamp | undefined;
  readonly toTime?: RawTimestamp | undefined;
  readonly eventTypes: readonly string[];
  /** A number of sluice.v1.Consistency, known or not. */
  readonly consistency: number;
}

export interface RawGetVersion {
  readonly stream: string;
  readonly asOf?: RawTimestamp | undefined;
}

export interface RawReadByCorrelation {
  readonly correlationId: string;
  readonly eventTypes: readonly string[];
  readonly maxCount: bigint;
  readonly skipUnreadable: boolean;
}

export interface RawListStreams {
  readonly pattern: string;
  readonly after: string;
  readonly maxCount: bigint;
}

export interface RawPageHint {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** How much one response message may hold. */
export interface PageSize {
  /** Infinity: no bound. */
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** Throws InvalidRequestError. What is left out is filled in: event ids, correlation ids, causation ids. */
export function parseAppend(raw: RawAppend, limits: Limits): AppendCommand {
  const findings = new Findings();
  const stream = streamName(raw.stream, findings);
  const expectedVersion = expectedVersionOf(raw, '', findings);
  const commitId = commitIdOf(raw.commitId, findings);
  const events = newEvents(raw.stream, raw.events, limits, findings);
  findings.throwIfAny();
  return { stream, events, expectedVersion, commitId, withCommitTime: raw.withCommitTime };
}

/** Throws InvalidRequestError, like `parseAppend`. */
export function parseAppendMulti(raw: RawAppendMulti, limits: Limits): AppendMultiCommand {
  const findings = new Findings();
  const commitId = commitIdOf(raw.commitId, findings);
  if (raw.appends.length === 0) findings.add('appends', 'is required');
  const isBounded = [
    atMost(limits.multiAppendsMax, raw.appends.length, 'entries', 'appends', findings),
    atMost(limits.multiChecksMax, raw.checks.length, 'entries', 'checks', findings),
    ...raw.appends.map(({ events }, index) =>
      atMost(limits.appendEventsMax, events.length, 'events', `appends[${index}].events`, findings),
    ),
  ].every(Boolean);
  const events = raw.appends.reduce((sum, append) => sum + append.events.length, 0);
  if (!isBounded || !atMost(limits.appendEventsMax, events, 'events', 'appends', findings))
    findings.throwIfAny();
  const names = new Map<string, string>();
  const nameOf = (text: string, path: string): StreamName => {
    const first = names.get(text);
    if (first === undefined) names.set(text, path);
    else if (text !== '') findings.add(`${path}.stream`, `is also that of ${first}: ${shown(text)}`);
    return streamName(text, findings, `${path}.stream`);
  };
  const appends = raw.appends.map((append, index) => {
    const path = `appends[${index}]`;
    const stream = nameOf(append.stream, path);
    if (append.events.length === 0) findings.add(`${path}.events`, 'is required');
    return {
      stream,
      events: newEvents(append.stream, append.events, limits, findings, `${path}.`),
      expectedVersion: expectedVersionOf(append, `${path}.`, findings),
    };
  });
  const checks = raw.checks.map(({ stream, expectedVersion }, index) => ({
    stream: nameOf(stream, `checks[${index}]`),
    expectedVersion: versionNumber(expectedVersion, `checks[${index}].expected_version`, findings),
  }));
  findings.throwIfAny();
  return { appends, checks, commitId };
}

function atMost(max: number, found: number, unit: string, field: string, findings: Findings): boolean {
  if (found > max) findings.add(field, excess(found, unit, max));
  return found <= max;
}

function expectedVersionOf(
  { expectedVersion }: Pick<RawAppend, 'expectedVersion'>,
  prefix: string,
  findings: Findings,
): Version | undefined {
  if (expectedVersion === undefined) return undefined;
  return versionNumber(expectedVersion, `${prefix}expected_version`, findings);
}

function commitIdOf(text: string, findings: Findings): CommitId | undefined {
  if (text === '') return undefined;
  const commitId = parseCommitId(text);
  if (commitId === undefined) findings.add('commit_id', `is not a UUID: ${shown(text)}`);
  return commitId;
}

// Numbers of sluice.v1.Consistency; 0 stands for the first.
const consistencies = ['leader', 'leader', 'anyReplica'] as const;

/** Throws InvalidRequestError. */
export function parseReadStream(raw: RawReadStream, limits: Limits): ReadStreamQuery {
  const findings = new Findings();
  const stream = streamName(raw.stream, findings);
  const direction = directionOf(raw.direction, findings);
  const consistency = consistencies[raw.consistency];
  if (consistency === undefined) findings.add('consistency', `is unknown: ${raw.consistency}`);
  const fromVersion = versionNumber(raw.fromVersion, 'from_version', findings);
  const toVersion = versionNumber(raw.toVersion, 'to_version', findings);
  const [first, last] = direction === 'backward' ? [toVersion, fromVersion] : [fromVersion, toVersion];
  if (first !== 0n && last !== 0n && last < first) {
    const side = direction === 'backward' ? 'above' : 'below';
    findings.add('to_version', `is ${toVersion.toString()}, ${side} from_version ${fromVersion.toString()}`);
  }
  const { fromTime, toTime } = timeRange(raw, findings);
  const eventTypes = eventTypeFilter(raw.eventTypes, limits, findings);
  const count = maxCount(raw.maxCount, findings);
  findings.throwIfAny();
  return {
    stream,
    direction,
    fromVersion,
    toVersion,
    maxCount: count,
    fromTime,
    toTime,
    eventTypes,
    consistency: consistency ?? 'leader',
  };
}

/** Throws InvalidRequestError. */
export function parseGetVersion(raw: RawGetVersion): { stream: StreamName; asOf: UnixNanos | undefined } {
  const findings = new Findings();
  const stream = streamName(raw.stream, findings);
  const asOf = timestamp(raw.asOf, 'as_of', findings);
  findings.throwIfAny();
  return { stream, asOf };
}

/** Throws InvalidRequestError. */
export function parseReadByCorrelation(raw: RawReadByCorrelation, limits: Limits): CorrelationQuery {
  const { correlationId } = raw;
  const findings = new Findings();
  if (correlationId === '') findings.add('correlation_id', 'is required');
  else checkId(correlationId, 'correlation_id', limits, findings);
  const eventTypes = eventTypeFilter(raw.eventTypes, limits, findings);
  const count = maxCount(raw.maxCount, findings);
  findings.throwIfAny();
  return { correlationId, eventTypes, maxCount: count, skipUnreadable: raw.skipUnreadable };
}

/** Throws InvalidRequestError. */
export function parseListStreams(raw: RawListStreams): ListStreamsQuery {
  const { after } = raw;
  const findings = new Findings();
  const pattern = raw.pattern === '' ? '>' : raw.pattern;
  streamPattern(pattern, 'pattern', findings);
  if (after !== '' && parseStreamName(after) === undefined) {
    findings.add('after', `is not a stream name: ${shown(after)}`);
  }
  const count = maxCount(raw.maxCount, findings);
  findings.throwIfAny();
  return { pattern, after, maxCount: count };
}

/** A hint cannot be wrong: 0 is no wish, and what is beyond the limit counts as the limit. */
export function parsePageHint(raw: RawPageHint | undefined, { pageBytesMax }: Limits): PageSize {
  return {
    eventsMax: raw?.eventsMax || Infinity,
    bytesMax: Math.min(raw?.bytesMax || pageBytesMax, pageBytesMax),
  };
}
