/** The messages of gRPC, of gRPC-Web and of streams of Connect all have this form: flags, the length in four bytes, and the bytes. */
export interface Frame {
  readonly flags: number;
  readonly bytes: Buffer;
}

export const headerBytes = 5;
/** The bytes are compressed. */
export const compressedFlag = 1;

/** The header of a frame. */
export function frameHeader(flags: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt8(flags);
  header.writeUInt32BE(length, 1);
  return header;
}

export function frame(flags: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([frameHeader(flags, bytes.length), bytes]);
}

/** The frames in a sequence of chunks. Throws if it ends within one. */
export async function* framesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame, void> {
  let parts: Buffer[] = [];
  let held = 0;
  /** Bytes of the frame that comes, as far as known. */
  let needed = headerBytes;
  for await (const chunk of chunks) {
    parts.push(chunk);
    held += chunk.length;
    if (held < needed) continue;
    let all = parts.length === 1 ? chunk : Buffer.concat(parts);
    for (;;) {
      needed = headerBytes + (all.length < headerBytes ? 0 : all.readUInt32BE(1));
      if (all.length < Math.max(needed, headerBytes)) break;
      yield { flags: all.readUInt8(), bytes: all.subarray(headerBytes, needed) };
      all = all.subarray(needed);
    }
    parts = [all];
    held = all.length;
  }
  if (held > 0) throw new Error('it ends within a message');
}
