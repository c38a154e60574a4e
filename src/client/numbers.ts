/** A version, position or count: a bigint, or a number that is exact. */
export type WholeNumber = bigint | number;

const uint32Max = 2 ** 32 - 1;

/** As an unsigned 64-bit number. Throws TypeError and RangeError. */
export function toUint64(value: WholeNumber, name: string): bigint {
  if (typeof value !== 'bigint' && typeof value !== 'number') {
    throw new TypeError(`${name} must be a bigint or a number, not ${typeof value}`);
  }
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError(`${name} must be a whole number up to 2^53 - 1, or a bigint; found ${value}`);
  }
  const exact = BigInt(value);
  if (BigInt.asUintN(64, exact) === exact) return exact;
  throw new RangeError(`${name} must be between 0 and 2^64 - 1; found ${exact.toString()}`);
}

/** As an unsigned 32-bit number. Throws TypeError and RangeError. */
export function toUint32(value: WholeNumber, name: string): number {
  const exact = toUint64(value, name);
  if (exact <= uint32Max) return Number(exact);
  throw new RangeError(`${name} must be at most 2^32 - 1; found ${exact.toString()}`);
}
