/** The longest way from the slot of a hash to the slot of its number: a longer one costs more than it saves. */
const probesMax = 64;

/**
 * A set of whole numbers of up to 48 bits, in a hash table of fixed size. A Set of V8 holds each such number as an object, which the
 * garbage collector visits again and again.
 */
export class NumberSet {
  private readonly slots: Float64Array;
  // Secret, so that nobody can choose numbers with the same hash.
  private readonly seed = Math.floor(Math.random() * 2 ** 32);
  size = 0;

  /** For up to `max` numbers, which then take at most half of the slots. */
  constructor(max: number) {
    this.slots = new Float64Array(2 ** Math.ceil(Math.log2(2 * max)));
  }

  has(number: number): boolean {
    return this.slots[this.slotOf(number)] === number + 1;
  }

  /** Returns whether the number is in the set now. It is not if too many numbers have similar hashes. */
  add(number: number): boolean {
    const slot = this.slotOf(number);
    const found = this.slots[slot];
    if (found === 0) {
      this.slots[slot] = number + 1;
      this.size++;
    }
    return found === 0 || found === number + 1;
  }

  clear(): void {
    this.slots.fill(0);
    this.size = 0;
  }

  /** The slot of the number, or an empty slot for it, or the slot of another number if neither is near. */
  private slotOf(number: number): number {
    const mask = this.slots.length - 1;
    let hash = Math.imul((number >>> 0) ^ this.seed, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ Math.floor(number / 2 ** 32), 0x85ebca6b) ^ this.seed;
    let slot = (hash ^ (hash >>> 13)) & mask;
    for (let probe = 1; probe < probesMax; probe++) {
      const found = this.slots[slot];
      if (found === 0 || found === number + 1) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
