/**
 * FNV-1a of 32 bits over the characters, which are ASCII, and then the last round of MurmurHash3, so that similar names are spread.
 * It is the same in every gateway: docs/storage.md has it.
 */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** The lane to which a stream belongs, from 0. */
export function laneOf(stream: string, lanes: number): number {
  return hash(stream) % lanes;
}
