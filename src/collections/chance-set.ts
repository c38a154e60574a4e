/** A slot further from its place costs more than it saves. */
const stepsMax = 64;

/**
 * Whole numbers of up to 48 bits, each in a slot of a table of fixed size: a Set of V8 holds such a number as an object of its
 * own, which the garbage collector looks at again and again.
 */
export class ChanceSet {
  private readonly slots: Float64Array;
  // So that nobody can choose numbers that have their places together.
  private readonly seed = Math.floor(Math.random() * 2 ** 32);
  size = 0;

  /** Room for `max` numbers, with as many slots empty. */
  constructor(max: number) {
    this.slots = new Float64Array(2 ** Math.ceil(Math.log2(2 * max)));
  }

  has(number: number): boolean {
    return this.slots[this.slotOf(number)] === number + 1;
  }

  /** Whether it is in the set now: where too many have their places together, it is not. */
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

  /** Where it is, or an empty slot for it; another one's if there is neither. */
  private slotOf(number: number): number {
    const mask = this.slots.length - 1;
    let hash = Math.imul((number >>> 0) ^ this.seed, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ Math.floor(number / 2 ** 32), 0x85ebca6b) ^ this.seed;
    let slot = (hash ^ (hash >>> 13)) & mask;
    for (let step = 1; step < stepsMax; step++) {
      const found = this.slots[slot];
      if (found === 0 || found === number + 1) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
