/** The map is compacted when it has this many more deleted entries than live ones. */
const deletedMax = 1_000;

/** The box of a value; undefined: the entry is deleted. */
interface Box<Value> {
  value: Value | undefined;
}

/**
 * A map whose entries come and go by the thousand. When a Map of V8 has had as many deletions as it has capacity, it moves its
 * entries to a new table, and the old table keeps a link to the new one. Once the garbage collector counts a table as old, this
 * chain keeps all later tables alive, with every entry that was in one of them, until the next full collection: everything that
 * an append had in memory was copied twice, which took a third of the gateway's time.
 *
 * Here a deleted entry leaves its key behind, and from time to time the live entries move to a new Map without such a chain. The
 * tables hold boxes instead of values, so that an abandoned table keeps no values alive.
 */
export class CompactingMap<Key, Value extends object> {
  private entries = new Map<Key, Box<Value>>();
  private deleted = 0;

  get size(): number {
    return this.entries.size - this.deleted;
  }

  get(key: Key): Value | undefined {
    return this.entries.get(key)?.value;
  }

  set(key: Key, value: Value): void {
    const box = this.entries.get(key);
    if (box === undefined) {
      this.entries.set(key, { value });
      return;
    }
    if (box.value === undefined) this.deleted--;
    box.value = value;
  }

  /** Returns whether the map had the key. */
  delete(key: Key): boolean {
    const box = this.entries.get(key);
    if (box?.value === undefined) return false;
    box.value = undefined;
    this.deleted++;
    if (this.deleted > this.size + deletedMax) this.compact();
    return true;
  }

  /** A copy of the present values. */
  values(): Value[] {
    const values: Value[] = [];
    for (const { value } of this.entries.values()) if (value !== undefined) values.push(value);
    return values;
  }

  forEach(visit: (value: Value, key: Key) => void): void {
    for (const [key, { value }] of [...this.entries]) if (value !== undefined) visit(value, key);
  }

  private compact(): void {
    const entries = new Map<Key, Box<Value>>();
    for (const [key, box] of this.entries) if (box.value !== undefined) entries.set(key, box);
    this.entries = entries;
    this.deleted = 0;
  }
}
