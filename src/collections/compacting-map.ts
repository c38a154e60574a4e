/** Entries that are gone may be as many as those that are there, and this many more. */
const goneMax = 1_000;

/** What stands in the map for a value; undefined: it is gone. */
interface Held<Value> {
  value: Value | undefined;
}

/**
 * A map whose entries come and go by the thousand. When a Map of V8 has had as many deletions as it has room, it moves its
 * entries to a new table, and the old one keeps a link to the new one. Once a table has become old in the eyes of the
 * garbage collector, this chain keeps all tables after it, and every entry that was in one of them, until the next full
 * collection: all that an append had in memory was copied twice, and a third of the gateway's time went there.
 *
 * Here an entry that is gone leaves its key behind, and from time to time those that are there move to a map without a past.
 * The tables hold no values, so that one which is given up, since the map has grown or moved, keeps none.
 */
export class CompactingMap<Key, Value extends object> {
  private entries = new Map<Key, Held<Value>>();
  private gone = 0;

  get size(): number {
    return this.entries.size - this.gone;
  }

  get(key: Key): Value | undefined {
    return this.entries.get(key)?.value;
  }

  set(key: Key, value: Value): void {
    const held = this.entries.get(key);
    if (held === undefined) {
      this.entries.set(key, { value });
      return;
    }
    if (held.value === undefined) this.gone--;
    held.value = value;
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    const held = this.entries.get(key);
    if (held?.value === undefined) return false;
    held.value = undefined;
    this.gone++;
    if (this.gone > this.size + goneMax) this.renew();
    return true;
  }

  /** Those that are there now. */
  values(): Value[] {
    const values: Value[] = [];
    for (const { value } of this.entries.values()) if (value !== undefined) values.push(value);
    return values;
  }

  forEach(visit: (value: Value, key: Key) => void): void {
    for (const [key, { value }] of [...this.entries]) if (value !== undefined) visit(value, key);
  }

  private renew(): void {
    const entries = new Map<Key, Held<Value>>();
    for (const [key, held] of this.entries) if (held.value !== undefined) entries.set(key, held);
    this.entries = entries;
    this.gone = 0;
  }
}
