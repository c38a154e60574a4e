/** Appends that are stored one after another in the order in which they take their places here, none behind one that failed. */
export class AppendOrder {
  private taken = 0;
  private failed: OrderPlace | undefined;

  /** The place of the append that its caller calls `tag`. */
  next(tag: bigint): OrderPlace {
    return new OrderPlace(this, this.taken++, tag);
  }

  /** None that has its place behind this one is stored any more. */
  fail(place: OrderPlace): void {
    if (this.failed === undefined || place.number < this.failed.number) this.failed = place;
  }

  /** The first one that has failed before this place. */
  failedBefore({ number }: OrderPlace): OrderPlace | undefined {
    return this.failed !== undefined && this.failed.number < number ? this.failed : undefined;
  }
}

/** The place of one append in an order. */
export class OrderPlace {
  constructor(
    readonly order: AppendOrder,
    readonly number: number,
    readonly tag: bigint,
  ) {}

  /** The append is not stored, or nobody knows. */
  fail(): void {
    this.order.fail(this);
  }

  /** One before it has failed. */
  get isLost(): boolean {
    return this.lostTo !== undefined;
  }

  /** The tag of that one. */
  get lostTo(): bigint | undefined {
    return this.order.failedBefore(this)?.tag;
  }
}
