/** Whole numbers up to 2^53 as protobuf varints. */

export function varintBytes(value: number): number {
  // Nearly every number is like this.
  if (value < 128) return 1;
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Returns the end of the varint. */
export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  // Whole numbers of 31 bits take a fraction of the time.
  for (; rest >= 128 && rest < 0x8000_0000; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  target[at++] = rest;
  return at;
}

/** Bytes of a length-delimited field, tag and length included; its number is below 16, so that the tag is one byte. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}
