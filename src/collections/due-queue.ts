/** Items by the time at which each is due: a binary heap. */
export class DueQueue<Item> {
  private readonly heap: { readonly dueMs: number; readonly item: Item }[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** When the first item is due; Infinity: the queue is empty. */
  get nextMs(): number {
    return this.heap[0]?.dueMs ?? Infinity;
  }

  add(dueMs: number, item: Item): void {
    const { heap } = this;
    const added = { dueMs, item };
    let at = heap.length;
    heap.push(added);
    for (let parent = (at - 1) >> 1; at > 0 && this.dueAt(parent) > dueMs; parent = (at - 1) >> 1) {
      heap[at] = heap[parent] as (typeof heap)[number];
      at = parent;
    }
    heap[at] = added;
  }

  /** Removes the first item if it is due. */
  take(nowMs: number): Item | undefined {
    const first = this.heap[0];
    const last = this.heap.at(-1);
    if (first === undefined || last === undefined || first.dueMs > nowMs) return undefined;
    this.heap.pop();
    if (this.heap.length > 0) this.sink(last);
    return first.item;
  }

  /** Puts an entry at the top, and lets it sink to its place. */
  private sink(entry: { readonly dueMs: number; readonly item: Item }): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (this.dueAt(child + 1) < this.dueAt(child)) child++;
      if (this.dueAt(child) >= entry.dueMs) break;
      heap[at] = heap[child] as (typeof heap)[number];
      at = child;
    }
    heap[at] = entry;
  }

  private dueAt(at: number): number {
    return this.heap[at]?.dueMs ?? Infinity;
  }
}
