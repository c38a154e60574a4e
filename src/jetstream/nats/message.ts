import type { Msg } from 'nats';
import type { Sequence } from '../../store/values';

/** A message from NATS with its header block unparsed, of which reads need only a few headers. */
export interface RawMessage {
  /** The status code of an answer that is not data, such as 204 or 404; 0 for data. */
  readonly status: number;
  /** The header block as text, "" if the message has no headers. */
  readonly headers: string;
  /** A view into the connection's buffer: copy it if it outlives the call. */
  readonly body: Uint8Array;
}

/** A message of a JetStream stream. */
export interface StoredMessage {
  readonly subject: string;
  readonly sequence: Sequence;
  readonly timeNanos: bigint;
  /** The header block: first the headers of the publisher, then perhaps those of the server. */
  readonly headers: string;
  readonly body: Uint8Array;
}

/** The parts of `MsgImpl` (nats 2.29) with header and body: its own parser takes a third of the time of a read. */
interface MsgInternals {
  readonly _msg: { readonly hdr: number };
  readonly _rdata: Uint8Array;
}

export function parseMessage(message: Msg): RawMessage {
  const { _msg, _rdata } = message as unknown as MsgInternals;
  return new ReceivedMessage(_rdata, Math.max(0, _msg.hdr));
}

const space = 0x20;
const zero = 0x30;

/** Holds only the bytes as they arrived: as text, waiting messages would cost the garbage collector several times as much. */
class ReceivedMessage implements RawMessage {
  constructor(
    private readonly bytes: Uint8Array,
    private readonly headerBytes: number,
  ) {}

  /** "NATS/1.0 204 EOB" is a status, "NATS/1.0\r\n" is data. */
  get status(): number {
    return this.headerBytes > 0 && this.bytes[8] === space ? parseInt(this.headers.slice(9, 12), 10) : 0;
  }

  get headers(): string {
    return this.headerBytes > 0 ? latin1(this.bytes, this.headerBytes) : '';
  }

  get body(): Uint8Array {
    const { bytes, headerBytes } = this;
    // `subarray` of a Buffer takes several times as long.
    return new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, bytes.length - headerBytes);
  }
}

/** Works on every Uint8Array, and saves a Buffer for each message; @types/node does not declare it. */
const { latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string;
};

function latin1(bytes: Uint8Array, length: number): string {
  return latin1Slice.call(bytes, 0, length);
}

/** The value of a header of the publisher, which is the first one of that name, or undefined. */
export function publishedHeader(headers: string, name: string): string | undefined {
  const opening = openingOf(name);
  return valueAt(headers, headers.indexOf(opening), opening);
}

const openings = new Map<string, string>();

/** The text before the value of a header. It is remembered for each of the two dozen names, which is faster than a new string. */
export function openingOf(name: string): string {
  let opening = openings.get(name);
  if (opening === undefined) openings.set(name, (opening = `\r\n${name}:`));
  return opening;
}

function valueAt(headers: string, at: number, opening: string): string | undefined {
  if (at < 0) return undefined;
  let start = at + opening.length;
  let end = headers.indexOf('\r\n', start);
  while (headers.charCodeAt(start) === space) start++;
  while (end > start && headers.charCodeAt(end - 1) === space) end--;
  return headers.slice(start, end);
}

const safeDigits = 15;

/** Parses decimal digits. Going through a Number saves most of the time. */
export function parseInteger(digits: string): bigint {
  return BigInt(digits.length <= safeDigits ? Number(digits) : digits);
}

/** The sequence for which decimal digits stand. */
export function parseSequence(digits: string): Sequence {
  return parseInteger(digits) as Sequence;
}

/** A sequence in JSON. `checkSequences` (open-stream.ts) sees to it that it is exact. */
export function toSequence(value: number): Sequence {
  return BigInt(value) as Sequence;
}

const secondLength = '2006-01-02T15:04:05'.length;
let cachedSecond = '-';
let cachedSecondNanos = 0n;

/** Nanoseconds since 1970 from RFC 3339 in UTC with up to nine decimals, as the server writes it. */
export function parseTime(text: string): bigint {
  if (!text.startsWith(cachedSecond)) {
    cachedSecond = text.slice(0, secondLength);
    cachedSecondNanos = BigInt(Date.parse(`${cachedSecond}Z`)) * 1_000_000n;
  }
  let nanos = 0;
  for (let at = secondLength + 1, scale = 1e8; at < text.length - 1; at++, scale /= 10)
    nanos += (text.charCodeAt(at) - zero) * scale;
  return cachedSecondNanos + BigInt(nanos);
}
