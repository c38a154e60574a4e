/** A 64-bit hash of a key: two independent 32-bit multiply-and-rotate hashes with a final mix (as in MurmurHash3). */
export function hashOf(key: string): bigint {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  for (let i = 0; i < key.length; i++) {
    const char = key.charCodeAt(i);
    low = Math.imul(low ^ char, 0xcc9e2d51);
    low = (low << 15) | (low >>> 17);
    high = Math.imul(high ^ char, 0x1b873593);
    high = (high << 13) | (high >>> 19);
  }
  halves.setUint32(0, mix(high ^ key.length));
  halves.setUint32(4, mix(low ^ key.length));
  return halves.getBigUint64(0);
}

/** The halves of one number: shifting would make several big ones on the way. */
const halves = new DataView(new ArrayBuffer(8));

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
