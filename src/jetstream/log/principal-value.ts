/** Characters of a principal in a header. Those that a gateway makes have fewer. */
export const principalCharsMax = 256;

/**
 * A principal as a header holds it: in visible ASCII, with every other byte of UTF-8, and "%", as "%" and two digits. What is too
 * long is cut.
 */
export function principalValue(principal: string): string {
  let value = '';
  for (const byte of Buffer.from(principal.slice(0, principalCharsMax))) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    const next = isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    if (value.length + next.length > principalCharsMax) break;
    value += next;
  }
  return value;
}
