import { randomUUID } from 'node:crypto';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { UnreadableCommitError } from '../../src/store/errors';
import {
  identityOf,
  isControl,
  type Log,
  isDamage,
  lastVersionOf,
  type LogCommit,
  type LogControl,
  type LogDamage,
  type LogEntry,
  type LogCursor,
  type LogSink,
} from '../../src/store/log';
import { noRules, rulesAfter, type StreamControl } from '../../src/store/stream-rules';
import {
  position,
  sequence,
  version as toVersion,
  type Position,
  type Sequence,
} from '../../src/store/values';

function sequenceIn(entry: LogEntry): bigint {
  return isDamage(entry) ? entry.position : entry.sequence;
}

/** A log in memory, for tests of a replica. */
export class MemoryLog implements Log {
  isSoleWriter = false;
  doubts = 0;
  private readonly doubters: (() => void)[] = [];
  isIncomplete = false;
  identity = 'one';
  storeId = '';
  lost = 0n;
  isAuthoritative = true;
  groups: LogEntry[][] = [];
  /** How often it was followed. */
  follows = 0;
  readonly met: UnreadableCommitError[] = [];
  /** A follower waits for this before each group. */
  gate: () => Promise<void> = () => Promise.resolve();
  private last = 0n;
  private followers = new Set<() => void>();

  onDoubt(listener: () => void): void {
    this.doubters.push(listener);
  }

  /** Reports that it may have gone back. */
  doubt(): void {
    this.doubts++;
    for (const tell of this.doubters) tell();
  }

  readonly faults = (() => {
    const isIncomplete = (): boolean => this.isIncomplete;
    return {
      get isIncomplete() {
        return isIncomplete();
      },
      errorOfEmptyStream: () => undefined,
      incompleteError: () => new UnreadableCommitError('', position(0n), 'it is gone'),
      noteUnreadable: (error: UnreadableCommitError) => {
        this.met.push(error);
      },
    };
  })();

  /** Stores commits of one event each, those of one call in one transaction. */
  append(...streams: readonly string[]): LogCommit[] {
    return this.appendLarge(0, ...streams);
  }

  /** The same with this many bytes in each event. */
  appendLarge(bytes: number, ...streams: readonly string[]): LogCommit[] {
    const end = this.last + BigInt(streams.length);
    const payload = bytes === 0 ? undefined : { $case: 'binary' as const, value: Buffer.alloc(bytes) };
    const commits = streams.map((stream): LogCommit => {
      const version = this.versionOf(stream) + 1n;
      const event = { id: randomUUID(), stream, version, type: 'T', correlationId: 'all', payload };
      this.last++;
      return {
        stream,
        firstVersion: toVersion(version),
        lastVersion: toVersion(version),
        sequence: sequence(this.last),
        position: position(end),
        timeNanos: this.last * 1_000_000_000n,
        commitId: randomUUID(),
        inTransaction: streams.length > 1,
        isTorn: false,
        record: CommitRecord.encode(CommitRecord.fromPartial({ events: [event] })).finish(),
      };
    });
    this.push(commits);
    return commits;
  }

  /** Stores one commit of this many events. */
  appendEvents(count: number, stream: string): void {
    const before = this.versionOf(stream);
    const [commit] = this.append(stream) as [LogCommit];
    const events = Array.from({ length: count }, (_, index) => {
      const version = before + 1n + BigInt(index);
      return { id: randomUUID(), stream, version, type: 'T', correlationId: 'all' };
    });
    const record = CommitRecord.encode(CommitRecord.fromPartial({ events })).finish();
    this.groups[this.groups.length - 1] = [
      { ...commit, lastVersion: toVersion(before + BigInt(count)), record },
    ];
  }

  /** Stores a control of a stream that has events. */
  control(stream: string, control: StreamControl): LogControl {
    const version = toVersion(this.versionOf(stream));
    const earlier = this.groups.flat().findLast((entry) => isControl(entry) && entry.stream === stream);
    const rules = rulesAfter(earlier && isControl(earlier) ? earlier.rules : noRules, version, control);
    this.last++;
    const stored: LogControl = {
      kind: 'control',
      stream,
      version,
      sequence: sequence(this.last),
      position: position(this.last),
      timeNanos: this.last * 1_000_000_000n,
      commitId: randomUUID(),
      control,
      rules,
      principal: '',
    };
    this.push([stored]);
    return stored;
  }

  damage(stream: string, kind: LogDamage['kind'] = 'unreadable', claimed = 0n): LogDamage {
    this.last++;
    const at = position(this.last);
    const claimedVersion = toVersion(claimed);
    const reason = 'it is broken';
    const damage: LogDamage =
      kind === 'lost' ? lostAt(at) : { kind, stream, position: at, timeNanos: 0n, claimedVersion, reason };
    if (kind === 'lost') this.lost++;
    this.push([damage]);
    return damage;
  }

  get commits(): LogCommit[] {
    return this.groups.flat().filter((entry): entry is LogCommit => 'record' in entry);
  }

  end(): ReturnType<Log['end']> {
    const { last, identity, lost, isAuthoritative } = this;
    return Promise.resolve({ sequence: sequence(last), identity, lost, isAuthoritative });
  }

  identityAt(sequence: bigint): Promise<string | undefined> {
    const found = this.groups.flat().find((entry) => sequenceIn(entry) === sequence);
    return Promise.resolve(found && !isDamage(found) ? identityOf(found) : undefined);
  }

  async follow({ sequence: after, last }: LogCursor, sink: LogSink, signal: AbortSignal): Promise<string> {
    this.follows++;
    sink.onStarted(() => undefined);
    if (last !== undefined && (await this.identityAt(last.sequence)) !== last.identity)
      return 'another commit';
    const ending = aborted(signal);
    for (let at = after; ;) {
      if (signal.aborted) return 'aborted';
      const next = this.after(at);
      if (next === undefined) {
        await this.more(signal);
        continue;
      }
      if ((await Promise.race([this.gate(), ending])) === 'aborted') return 'aborted';
      at = (next[0] as LogEntry).position;
      await sink.receive([next], at, 0n);
    }
  }

  /** How often entries were requested that the replica no longer had. */
  reads = 0;

  read(after: Sequence, upTo: Sequence, bytesMax: number): ReturnType<Log['read']> {
    this.reads++;
    let bytes = 0;
    const groups: LogEntry[][] = [];
    for (const group of this.groups) {
      const at = (group[0] as LogEntry).position;
      if (at <= after || at > upTo) continue;
      if (bytes >= bytesMax)
        return Promise.resolve({ groups, upTo: (groups.at(-1)?.[0] as LogEntry).position });
      groups.push(group);
      for (const entry of group) bytes += 'record' in entry ? entry.record.length : 0;
    }
    return Promise.resolve({ groups, upTo });
  }

  entryAt(sequence: bigint): Promise<LogEntry> {
    this.reads++;
    const entries = this.groups.flat();
    return Promise.resolve(entries.find((entry) => sequenceIn(entry) === sequence) as LogEntry);
  }

  /** Removes the message at a sequence. */
  lose(sequence: bigint): void {
    this.groups = this.groups.map((group) =>
      group[0]?.position === sequence ? [lostAt(position(sequence))] : group,
    );
    this.lost++;
  }

  /** Removes the messages after a sequence, as if the log was restored from a backup. */
  cut(sequence: bigint): void {
    this.groups = this.groups.filter(([entry]) => (entry as LogEntry).position <= sequence);
    this.last = sequence;
  }

  private versionOf(stream: string): bigint {
    for (let at = this.groups.length - 1; at >= 0; at--) {
      const found = this.groups[at]?.findLast((entry) => !isDamage(entry) && entry.stream === stream);
      if (found !== undefined && !isDamage(found)) return lastVersionOf(found);
    }
    return 0n;
  }

  /** The first group after a position. */
  private after(position: bigint): LogEntry[] | undefined {
    let [low, high] = [0, this.groups.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.groups[middle]?.[0] as LogEntry).position > position) high = middle;
      else low = middle + 1;
    }
    return this.groups[low];
  }

  private push(group: LogEntry[]): void {
    this.groups.push(group);
    for (const wake of this.followers) wake();
  }

  private more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.followers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.followers.add(wake);
      signal.addEventListener('abort', wake);
      if (signal.aborted) wake();
    });
  }
}

function lostAt(position: Position): LogDamage {
  return { kind: 'lost', stream: '', firstPosition: position, position, timeNanos: 0n, reason: 'it is gone' };
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve('aborted');
    });
    if (signal.aborted) resolve('aborted');
  });
}
