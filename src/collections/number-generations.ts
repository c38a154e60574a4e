import { NumberSet } from './number-set';

/**
 * A set that remembers the newest numbers in two generations of fixed size. When the newer one is full, the caller rotates: the older
 * one is forgotten as a whole, and the newer one takes its place. To forget numbers one by one would cost more than to add them.
 */
export class NumberGenerations {
  private newer: NumberSet;
  private older: NumberSet;

  constructor(private readonly generationMax: number) {
    this.newer = new NumberSet(generationMax);
    this.older = new NumberSet(generationMax);
  }

  has(number: number): boolean {
    return this.newer.has(number) || this.older.has(number);
  }

  /** Whether the next number should be added after a rotation. */
  get isFull(): boolean {
    return this.newer.size >= this.generationMax;
  }

  rotate(): void {
    [this.newer, this.older] = [this.older, this.newer];
    this.newer.clear();
  }

  /** Adds a number to the newer generation; false: it has no slot for it. */
  add(number: number): boolean {
    return this.newer.add(number);
  }
}
