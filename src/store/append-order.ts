/** Appends that are stored one after another in the order in which they take their places here, none behind one that failed. */
export class AppendOrder {
  private taken = 0;
  private failed = Infinity;

  next(): OrderPlace {
    return new OrderPlace(this, this.taken++);
  }

  /** None that has its place behind this one is stored any more. */
  fail(number: number): void {
    this.failed = Math.min(this.failed, number);
  }

  isBehindFailed(number: number): boolean {
    return number > this.failed;
  }
}

/** The place of one append in an order. */
export class OrderPlace {
  constructor(
    readonly order: AppendOrder,
    readonly number: number,
  ) {}

  /** The append is not stored, or nobody knows. */
  fail(): void {
    this.order.fail(this.number);
  }

  /** One before it has failed. */
  get isLost(): boolean {
    return this.order.isBehindFailed(this.number);
  }
}
