/** Appends that are stored one after another, in the order in which they take their slots here; none after one that failed. */
export class AppendOrder {
  private slots = 0;
  private failed: OrderSlot | undefined;

  /** The slot of the append that its caller calls `tag`. */
  next(tag: bigint): OrderSlot {
    return new OrderSlot(this, this.slots++, tag);
  }

  /** From now on no append is stored whose slot comes after this one. */
  fail(slot: OrderSlot): void {
    if (this.failed === undefined || slot.number < this.failed.number) this.failed = slot;
  }

  /** The first slot before this one whose append has failed. */
  failedBefore({ number }: OrderSlot): OrderSlot | undefined {
    return this.failed !== undefined && this.failed.number < number ? this.failed : undefined;
  }
}

/** The slot of one append in an order. */
export class OrderSlot {
  private done = false;
  private readonly whenDone: (() => void)[] = [];

  constructor(
    readonly order: AppendOrder,
    readonly number: number,
    readonly tag: bigint,
  ) {}

  /** The append is not stored, or its outcome is unknown. */
  fail(): void {
    this.order.fail(this);
  }

  /** An append before it has failed. */
  get isLost(): boolean {
    return this.lostTo !== undefined;
  }

  /** The slot of that append. */
  get lostTo(): OrderSlot | undefined {
    return this.order.failedBefore(this);
  }

  /** The answer with its outcome is ready. */
  finish(): void {
    this.done = true;
    for (const call of this.whenDone.splice(0)) call();
  }

  /** Calls when the answer with its outcome is ready. */
  onceDone(call: () => void): void {
    if (this.done) call();
    else this.whenDone.push(call);
  }
}
