import { defaultLimits } from '../limits';

/** Values of the event store, branded so that they cannot be mixed up. Only the functions here make them. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: { readonly [N in Name]: true } };

/** A valid stream name: 1 to 16 tokens joined by ".", at most 200 bytes. */
export type StreamName = Branded<string, 'StreamName'>;
/** The 1-based number of an event within its stream; of a stream, that of its last event; 0 = empty. */
export type Version = Branded<bigint, 'Version'>;
/** The number of a message in the log, which is its JetStream sequence; 0 = before the first. */
export type Sequence = Branded<bigint, 'Sequence'>;
/** Where a commit is in the store: the sequence of the last message of its transaction; 0 = before the first. */
export type Position = Branded<Sequence, 'Position'>;
/** Nanoseconds since 1970-01-01T00:00:00Z. */
export type UnixNanos = Branded<bigint, 'UnixNanos'>;
/** A UUID in lower case that identifies a commit. */
export type CommitId = Branded<string, 'CommitId'>;

// What a name may be is part of the contract, so these limits cannot be set.
const { streamNameBytesMax: bytesMax, streamNameTokensMax: tokensMax } = defaultLimits;
const token = '[A-Za-z0-9_:@=+~-]+';
const tokenOrAny = `(?:${token}|\\*)`;
const further = `{0,${(tokensMax - 1).toString()}}`;
const streamName = new RegExp(`^${token}(?:\\.${token})${further}$`);
const streamPattern = new RegExp(`^(?:${tokenOrAny}(?:\\.${tokenOrAny})${further}(?:\\.>)?|>)$`);
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The name, or undefined if it is not a valid one. Also a security boundary: a name becomes a NATS subject. */
export function parseStreamName(text: string): StreamName | undefined {
  return text.length <= bytesMax && streamName.test(text) ? (text as StreamName) : undefined;
}

/** Whether the text is a NATS pattern over stream names, such as `order.*` or `order.>`. */
export function isStreamPattern(text: string): boolean {
  return text.length <= bytesMax && streamPattern.test(text);
}

/** The commit id in lower case, or undefined if the text is not a UUID. */
export function parseCommitId(text: string): CommitId | undefined {
  const lower = text.toLowerCase();
  return uuid.test(lower) ? (lower as CommitId) : undefined;
}

export function version(value: bigint): Version {
  assertRange(value, BigInt.asUintN(64, value));
  return value as Version;
}

export function position(value: bigint): Position {
  assertRange(value, BigInt.asUintN(64, value));
  return value as Position;
}

export function sequence(value: bigint): Sequence {
  assertRange(value, BigInt.asUintN(64, value));
  return value as Sequence;
}

/** The version of a stream without events. */
export const noVersion = 0n as Version;
/** Before the first commit. */
export const beginning = 0n as Position;

/** The version of a stream after more events, or before some if the number is negative. */
export function versionAfter(version: Version, events: bigint): Version {
  return (version + events) as Version;
}

/** The sequence some messages later, or earlier if the number is negative. */
export function sequenceAfter(sequence: Sequence, messages: bigint): Sequence {
  return (sequence + messages) as Sequence;
}

export function unixNanos(value: bigint): UnixNanos {
  assertRange(value, BigInt.asUintN(63, value));
  return value as UnixNanos;
}

/** `cut`: the value without the bits that are out of range. */
function assertRange(value: bigint, cut: bigint): void {
  if (value !== cut) throw new RangeError(`${value.toString()} is out of range`);
}
