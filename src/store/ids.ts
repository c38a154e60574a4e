import { randomFillSync } from 'node:crypto';

const randomBytes = 10;
const randomPool = Buffer.alloc(256 * randomBytes);
let randomUsed = randomPool.length;

/** A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
export function uuidV7(nowMs: number = Date.now()): string {
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  const hex = randomPool.toString('hex', randomUsed, (randomUsed += randomBytes));
  const time = nowMs.toString(16).padStart(12, '0');
  const variant = ((parseInt(hex.charAt(3), 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`;
}

/** When a UUID v7 was made, in milliseconds since 1970, as it says itself; undefined for any other UUID. */
export function uuidV7TimeMs(uuid: string): number | undefined {
  return uuid[14] === '7' ? parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) : undefined;
}
