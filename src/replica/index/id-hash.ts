import { uuidV7TimeMs } from '../../uuid';

/** A UUID v7, as far as that has to be certain. */
const timed = /^[0-9a-f]{8}-[0-9a-f]{4}-7/;
/** Of the hash of a UUID v7, this many bits are random; the rest is the same for UUIDs of the same interval. */
const randomBits = 22;
const intervalMs = 64;

/**
 * A 64-bit hash of an id. UUIDs v7 that were made at about the same time have hashes with the same beginning, so that the newest
 * are neighbours in a sorted index: to add one at a random place costs several times as much.
 */
export function hashOf(id: string): bigint {
  randomHash(id);
  const madeMs = timed.test(id) ? uuidV7TimeMs(id) : undefined;
  if (madeMs !== undefined) {
    const random = halves.getUint32(4) >>> (32 - randomBits);
    const interval = Math.floor(madeMs / intervalMs);
    const intervalsInLow = 2 ** (32 - randomBits);
    halves.setUint32(0, Math.floor(interval / intervalsInLow));
    halves.setUint32(4, (interval % intervalsInLow) * 2 ** randomBits + random);
  }
  return halves.getBigUint64(0);
}

/** Two independent 32-bit multiply-and-rotate hashes with a final mix (as in MurmurHash3), in the two halves. */
function randomHash(key: string): void {
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
}

/** The halves of one number: shifts would make several bigints on the way. */
const halves = new DataView(new ArrayBuffer(8));

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
