/** What the index has to know of one message of the log. */
export interface CommitKeys {
  readonly sequence: bigint;
  /** The sequence of the last message of the commit that it belongs to. */
  readonly position: bigint;
  /** The distinct hashes of its keys. */
  readonly hashes: readonly bigint[];
}

/** A stretch of the log, both ends inclusive. */
export interface Stretch {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * The keys of the newest messages of the log, as far as this gateway stored them itself or has read them already: neither the
 * index writer nor a query has to read them back from the log.
 */
export interface RecentKeys {
  /** Notes the keys of a message; those before it, from another sequence on, have none. */
  add(keys: CommitKeys, from?: bigint): void;
  /** Drops what lies up to a position: it is in the index now. */
  forget(through: bigint): void;
  /** Drops all: positions may be given a second time. */
  clear(): void;
  /** Positions where a key with this hash is, of all that is not forgotten. */
  positions(hash: bigint): Generator<bigint, void>;
  /** What is known from the start of a stretch on, without a gap: at most so many messages. */
  known(stretch: Stretch, messagesMax: number): CommitKeys[];
  /** What has to be read from the log to know the rest of a stretch; short known pieces between are part of it. */
  gaps(stretch: Stretch): Stretch[];
}

/** To read so many messages costs about as much as one more question to the log. */
const bridgeMessagesMax = 256n;
/** Where there are more on the average, fewer messages are known. */
const keysPerMessage = 4;

export function createRecentKeys(messagesMax: number): RecentKeys {
  return new KeyRing(messagesMax);
}

/**
 * Of so many messages. In typed arrays that are used in turn: as objects they would live just long enough to be copied about by
 * the garbage collector.
 */
class KeyRing implements RecentKeys {
  private readonly keysMax: number;
  // At the place of a sequence: which one it is, the number of its first key, and how many it has.
  private readonly sequences: Float64Array;
  private readonly firstKeys: Float64Array;
  private readonly counts: Uint32Array;
  // At the place of a key's number.
  private readonly hashes: BigUint64Array;
  private readonly halves: Uint32Array;
  private readonly positionsOf: Float64Array;
  private newest = 0;
  /** The number of the first key that is not forgotten, and the one beyond the last. */
  private first = 0;
  private end = 0;

  constructor(private readonly messagesMax: number) {
    this.keysMax = keysPerMessage * messagesMax;
    this.sequences = new Float64Array(messagesMax);
    this.firstKeys = new Float64Array(messagesMax);
    this.counts = new Uint32Array(messagesMax);
    this.hashes = new BigUint64Array(this.keysMax);
    this.halves = new Uint32Array(this.hashes.buffer);
    this.positionsOf = new Float64Array(this.keysMax);
  }

  add({ sequence, position, hashes }: CommitKeys, from = sequence): void {
    const to = Number(sequence);
    for (let before = Number(from); before < to; before++) this.set(before, before, []);
    this.set(to, Number(position), hashes);
  }

  forget(through: bigint): void {
    const last = Number(through);
    this.first = this.oldestKey;
    while (this.first < this.end && (this.positionsOf[this.first % this.keysMax] as number) <= last)
      this.first++;
  }

  clear(): void {
    this.sequences.fill(0);
    this.newest = 0;
    this.first = this.end;
  }

  *positions(hash: bigint): Generator<bigint, void> {
    const [one, other] = new Uint32Array(BigUint64Array.of(hash).buffer);
    for (let number = this.oldestKey; number < this.end; number++) {
      const at = number % this.keysMax;
      if (this.halves[2 * at] === one && this.halves[2 * at + 1] === other)
        yield BigInt(this.positionsOf[at] as number);
    }
  }

  known({ from, to }: Stretch, messagesMax: number): CommitKeys[] {
    const list: CommitKeys[] = [];
    const last = Math.min(Number(to), Number(from) + messagesMax - 1);
    for (let sequence = Number(from); sequence <= last && this.isKnown(sequence); sequence++)
      list.push(this.keysOf(sequence));
    return list;
  }

  gaps(stretch: Stretch): Stretch[] {
    const gaps: Stretch[] = [];
    for (const run of this.unknownRuns(stretch)) {
      const last = gaps.at(-1);
      if (last === undefined || run.from - last.to > bridgeMessagesMax) gaps.push(run);
      else gaps[gaps.length - 1] = { from: last.from, to: run.to };
    }
    return gaps;
  }

  private keysOf(sequence: number): CommitKeys {
    const place = sequence % this.messagesMax;
    const first = this.firstKeys[place] as number;
    const hashes: bigint[] = [];
    for (let number = first; number < first + (this.counts[place] as number); number++)
      hashes.push(this.hashes[number % this.keysMax] as bigint);
    const position = hashes.length === 0 ? sequence : (this.positionsOf[first % this.keysMax] as number);
    return { sequence: BigInt(sequence), position: BigInt(position), hashes };
  }

  private set(sequence: number, position: number, hashes: readonly bigint[]): void {
    if (hashes.length > this.keysMax) return;
    const place = sequence % this.messagesMax;
    this.sequences[place] = sequence;
    this.firstKeys[place] = this.end;
    this.counts[place] = hashes.length;
    for (const hash of hashes) {
      const at = this.end++ % this.keysMax;
      this.hashes[at] = hash;
      this.positionsOf[at] = position;
    }
    this.newest = Math.max(this.newest, sequence);
  }

  private isKnown(sequence: number): boolean {
    const place = sequence % this.messagesMax;
    if (this.sequences[place] !== sequence) return false;
    return this.counts[place] === 0 || (this.firstKeys[place] as number) >= this.oldestKey;
  }

  /** The number of the first key that is neither forgotten nor overwritten. */
  private get oldestKey(): number {
    return Math.max(this.first, this.end - this.keysMax);
  }

  private *unknownRuns(stretch: Stretch): Generator<Stretch, void> {
    const [from, to] = [Number(stretch.from), Number(stretch.to)];
    // What lies before the oldest need not be asked for one by one: it may be the whole log.
    const oldest = Math.min(Math.max(from, this.newest - this.messagesMax + 1), to + 1);
    let start = from < oldest ? from : undefined;
    for (let sequence = oldest; sequence <= to; sequence++) {
      if (!this.isKnown(sequence)) start ??= sequence;
      else if (start !== undefined) {
        yield { from: BigInt(start), to: BigInt(sequence - 1) };
        start = undefined;
      }
    }
    if (start !== undefined) yield { from: BigInt(start), to: stretch.to };
  }
}
