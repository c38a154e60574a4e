/**
 * The entries that were set last, at most `entriesMax`. They are in two generations, of which the older one is dropped as a whole: a
 * Map that deletes one entry for each new one is rebuilt all the time.
 */
export class RecentMap<Key, Value> {
  private newer = new Map<Key, Value>();
  private older = this.newer;

  constructor(private readonly entriesMax: number) {}

  get(key: Key): Value | undefined {
    return this.newer.get(key) ?? this.older.get(key);
  }

  set(key: Key, value: Value): void {
    this.newer.set(key, value);
    if ((this.newer.size + 1) * 2 <= this.entriesMax) return;
    this.older = this.newer;
    this.newer = new Map();
  }

  delete(key: Key): void {
    this.newer.delete(key);
    this.older.delete(key);
  }

  clear(): void {
    this.newer = new Map();
    this.older = this.newer;
  }
}
