import { randomFillSync } from 'node:crypto';

const randomBytes = 10;
const randomDigits = 2 * randomBytes;
const randomPool = Buffer.alloc(256 * randomBytes);
/** The pool as hexadecimal digits. */
let random = '';
let randomUsed = 0;
let beginning = '';
let beginningMs = -1;

/** A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
export function uuidV7(nowMs: number = Date.now()): string {
  if (randomUsed === random.length) {
    random = randomFillSync(randomPool).toString('hex');
    randomUsed = 0;
  }
  if (nowMs !== beginningMs) {
    const time = nowMs.toString(16).padStart(12, '0');
    beginning = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    beginningMs = nowMs;
  }
  const at = randomUsed;
  randomUsed += randomDigits;
  const variant = variants.charAt(parseInt(random.charAt(at + 3), 16) & 3);
  return `${beginning}${random.slice(at, at + 3)}-${variant}${random.slice(at + 4, at + 7)}-${random.slice(at + 7, at + 19)}`;
}

/** The digits that begin with the bits 10. */
const variants = '89ab';

/** The time that a UUID v7 contains, in milliseconds since 1970; undefined for any other UUID. */
export function uuidV7TimeMs(uuid: string): number | undefined {
  return uuid[14] === '7' ? parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) : undefined;
}

/** The last 48 bits of a UUID, which are random in most versions. Few UUIDs share them. */
export function uuidChance(uuid: string): number {
  return parseInt(uuid.slice(-12), 16);
}
