import type { Delivery } from '../store/consumer-groups';
import { fieldBytes, varintBytes, writeVarint } from '../protobuf/varint';

/** Tags of fields of sluice.v1.Delivery and of `ConsumeResponse.deliveries`. */
const tag = { deliveries: 0x0a, id: 0x10, lane: 0x18, attempt: 0x20, redelivered: 0x28, replayed: 0x30 };

/**
 * Encoded ConsumeResponses with all deliveries in order, each of at most this many bytes, except for one larger delivery. Their
 * events are copied as they are stored: they are field 1 of a Delivery, as of every response.
 */
export function* toDeliveryMessages(
  deliveries: readonly Delivery[],
  bytesMax: number,
): Generator<Buffer, void> {
  const contents: number[] = [];
  let begin = 0;
  let bytes = 0;
  for (const [index, delivery] of deliveries.entries()) {
    const content = contentBytes(delivery);
    const more = fieldBytes(content);
    contents.push(content);
    if (bytes > 0 && bytes + more > bytesMax) {
      yield encode(deliveries, contents, begin, bytes);
      [begin, bytes] = [index, 0];
    }
    bytes += more;
  }
  if (bytes > 0) yield encode(deliveries, contents, begin, bytes);
}

/** The deliveries from an index on, as many as fill these bytes. `contents`: the bytes of each, without tag and length. */
function encode(
  deliveries: readonly Delivery[],
  contents: readonly number[],
  begin: number,
  bytes: number,
): Buffer {
  const message = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let index = begin; at < bytes; index++)
    at = write(message, at, deliveries[index] as Delivery, contents[index] as number);
  return message;
}

function contentBytes({ events, id, lane, attempt, redelivered, replayed }: Delivery): number {
  const numbers = 3 + varintBytes(id) + varintBytes(lane) + varintBytes(attempt);
  return events.end - events.start + numbers + (redelivered ? 2 : 0) + (replayed ? 2 : 0);
}

/** Returns the end of the delivery. Its numbers are counted from 1, so that none comes near 2^53. */
function write(message: Buffer, from: number, delivery: Delivery, content: number): number {
  const { events, id, lane, attempt, redelivered, replayed } = delivery;
  const { block, start, end } = events;
  message[from] = tag.deliveries;
  let at = writeVarint(message, from + 1, content);
  // `subarray` of a Buffer takes several times as long.
  message.set(new Uint8Array(block.buffer, block.byteOffset + start, end - start), at);
  at = writeNumber(message, at + end - start, tag.id, id);
  at = writeNumber(message, at, tag.lane, lane);
  at = writeNumber(message, at, tag.attempt, attempt);
  if (redelivered) at = writeNumber(message, at, tag.redelivered, 1);
  if (replayed) at = writeNumber(message, at, tag.replayed, 1);
  return at;
}

function writeNumber(message: Buffer, at: number, field: number, value: number): number {
  message[at] = field;
  return writeVarint(message, at + 1, value);
}
