/** Works on every Uint8Array without a view of the text; @types/node does not know it. */
const { utf8Slice } = Buffer.prototype as unknown as {
  readonly utf8Slice: (this: Uint8Array, start: number, end: number) => string;
};

/** The text in [start, end). Bytes that are not UTF-8 become U+FFFD. */
export function utf8(bytes: Uint8Array, start: number, end: number): string {
  return utf8Slice.call(bytes, start, end);
}
