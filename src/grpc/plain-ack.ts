/** Tags of `ConsumeRequest.ack` and of the packed `Ack.deliveries`. */
const ackTag = 0x12;
const deliveriesTag = 0x0a;
/** Of a varint that a number has exactly. */
const bytesMax = 7;

/**
 * The ids of a request that does nothing but acknowledge, as all clients encode it: most of what members send, and cheaper to read
 * here than by generated code. undefined: the request is another one, not encoded like this, or has more than `idsMax` ids.
 */
export function plainAck(bytes: Uint8Array, idsMax: number): readonly number[] | undefined {
  const content = lengthEnd(bytes, 0, ackTag);
  const first = content === undefined ? undefined : lengthEnd(bytes, content, deliveriesTag);
  if (first === undefined) return undefined;
  const ids: number[] = [];
  for (let at = first; at < bytes.length;) {
    let id = 0;
    let scale = 1;
    const last = Math.min(at + bytesMax, bytes.length);
    let byte = 0x80;
    while (at < last && byte >= 0x80) {
      byte = bytes[at++] as number;
      id += (byte & 0x7f) * scale;
      scale *= 128;
    }
    if (byte >= 0x80 || ids.push(id) > idsMax) return undefined;
  }
  return ids;
}

/** Where the content of a field begins that fills the rest of the bytes; undefined: there is no such field. */
function lengthEnd(bytes: Uint8Array, from: number, tag: number): number | undefined {
  if (bytes[from] !== tag) return undefined;
  let length = 0;
  for (let at = from + 1, shift = 0; at < bytes.length && shift < 28; shift += 7) {
    const byte = bytes[at++] as number;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return length === bytes.length - at ? at : undefined;
  }
  return undefined;
}
