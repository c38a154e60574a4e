const headerBytes = 4;
/** Frames of the S2 stream format: compressed and uncompressed data; the others hold no data. */
const frame = { compressed: 0x00, uncompressed: 0x01 } as const;
const checksumBytes = 4;
/** A checksum, and a number of up to 32 bits, 7 in each byte. */
const beginBytesMax = checksumBytes + 5;

/**
 * Counts the bytes of a snapshot before they were compressed, by the headers of its frames, so that its progress can be compared with
 * the size of the log. It is for progress only: what cannot be understood counts nothing.
 */
export class UnpackedBytes {
  count = 0;
  /** The begin of the frame that is being read: its header, and the begin of its data. */
  private readonly begin = Buffer.alloc(headerBytes + beginBytesMax);
  private have = 0;
  /** The bytes of the frame that follow what is in `begin`. */
  private left = 0;

  add(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.left > 0) {
        const skipped = Math.min(this.left, chunk.length - at);
        this.left -= skipped;
        at += skipped;
        continue;
      }
      this.begin[this.have++] = chunk[at++] as number;
      if (this.have >= headerBytes && this.have === headerBytes + Math.min(beginBytesMax, this.dataBytes))
        this.end();
    }
  }

  private get dataBytes(): number {
    return this.begin.readUIntLE(1, 3);
  }

  private end(): void {
    const { begin, dataBytes } = this;
    if (begin[0] === frame.compressed)
      this.count += unpackedLength(begin.subarray(headerBytes + checksumBytes));
    if (begin[0] === frame.uncompressed) this.count += Math.max(0, dataBytes - checksumBytes);
    this.left = dataBytes - (this.have - headerBytes);
    this.have = 0;
  }
}

/** The number at the begin of a block. */
function unpackedLength(block: Uint8Array): number {
  let value = 0;
  let scale = 1;
  for (const byte of block) {
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    scale *= 128;
  }
  return value;
}
