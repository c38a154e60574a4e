/**
 * A number from a few bytes of the name of a stream, the same for equal names: from its length and its last eight bytes, where most
 * names differ. Names lie one after the other between other bytes, hence the offsets.
 */
export function nameKey(view: DataView, start: number, end: number): number {
  const length = end - start;
  if (length < 8) return shortNameKey(view, start, end);
  const low = Math.imul(view.getUint32(end - 8, true), 0x9e3779b1);
  // Each bit of the result depends on all bits: names with numbers differ in few.
  const high = Math.imul(view.getUint32(end - 4, true) ^ low, 0x85ebca6b) + length;
  const mixed = Math.imul(high ^ (high >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 12)) >>> 0;
}

function shortNameKey(view: DataView, start: number, end: number): number {
  let mixed = end - start;
  for (let at = start; at < end; at++) mixed = Math.imul(mixed ^ view.getUint8(at), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** A hash of all bytes of a name. With a secret seed, nobody can choose names that have the same. */
export function nameHash(view: DataView, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getUint32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
