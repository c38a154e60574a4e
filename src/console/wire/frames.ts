/** One message of a Connect stream: its flags, and its JSON. */
export interface Frame {
  readonly flags: number;
  readonly text: string;
}

const headBytes = 5;
/** No gateway sends a larger message: an event has 1 MiB, which JSON makes at most some times larger. */
const frameBytesMax = 64 << 20;

/** The body of a request with one message. */
export function oneFrame(json: string): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(json);
  const frame = new Uint8Array(headBytes + body.length);
  new DataView(frame.buffer).setUint32(1, body.length);
  frame.set(body, headBytes);
  return frame;
}

/** Divides the bytes of a response into frames, as they come. Throws for a frame that is too large, and for one that is cut off. */
export async function* framesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let parts: Uint8Array[] = [];
  let held = 0;
  let wanted = headBytes;
  for await (const chunk of chunks) {
    parts.push(chunk);
    held += chunk.length;
    if (held < wanted) continue;
    let bytes = joined(parts, held);
    for (;;) {
      wanted = headBytes;
      if (bytes.length < wanted) break;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const length = view.getUint32(1);
      if (length > frameBytesMax) throw new Error(`a message of ${length.toString()} bytes is too large`);
      wanted = headBytes + length;
      if (bytes.length < wanted) break;
      const text = new TextDecoder().decode(bytes.subarray(headBytes, wanted));
      yield { flags: view.getUint8(0), text };
      bytes = bytes.subarray(wanted);
    }
    parts = [bytes];
    held = bytes.length;
  }
  if (held > 0) throw new Error('the response was cut off within a message');
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
