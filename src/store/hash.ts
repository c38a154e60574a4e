import { uuidV7TimeMs } from './ids';

/** A UUID v7, as far as that has to be certain. */
const timed = /^[0-9a-f]{8}-[0-9a-f]{4}-7/;
/** Of the hash of one, so much is chance; and so many milliseconds have one beginning. */
const chanceBits = 22;
const timeStepMs = 64;

/**
 * A 64-bit hash of an id. Those of UUIDs v7 that were made at about the same time begin alike, so that the newest lie
 * side by side in an index that is sorted: to add one somewhere costs several times as much.
 */
export function hashOf(id: string): bigint {
  chanceHash(id);
  const madeMs = timed.test(id) ? uuidV7TimeMs(id) : undefined;
  if (madeMs !== undefined) {
    const chance = halves.getUint32(4) >>> (32 - chanceBits);
    const step = Math.floor(madeMs / timeStepMs);
    const stepsInLow = 2 ** (32 - chanceBits);
    halves.setUint32(0, Math.floor(step / stepsInLow));
    halves.setUint32(4, (step % stepsInLow) * 2 ** chanceBits + chance);
  }
  return halves.getBigUint64(0);
}

/** Two independent 32-bit multiply-and-rotate hashes with a final mix (as in MurmurHash3), in the two halves. */
function chanceHash(key: string): void {
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

/** The halves of one number: shifting would make several big ones on the way. */
const halves = new DataView(new ArrayBuffer(8));

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
