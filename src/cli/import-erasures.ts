import type { VersionRange } from '../client/client';
import type { Context } from './command';
import type { ExportedControl, ExportedErasure } from './control-format';
import { LineError } from './failure';
import type { FileCommit } from './import-order';

type Call = Pick<Context, 'client' | 'deadlineMs' | 'signal'>;

/** Commits that lie together and were erased for the same reason. */
interface Pending extends VersionRange {
  readonly reason: string;
  readonly line: number;
}

/** Streams with commits to erase at a time. */
const pendingMax = 1_000;
/** Where the export has no record: it has those of the newest erasures of a stream. */
const unknownReason = 'erased before the export';

/** Erases in the copy what was erased in the store that an export comes from: the copy first gets events with ids and types alone. */
export class Erasures {
  private readonly records = new Map<string, readonly ExportedErasure[]>();
  private readonly pending = new Map<string, Pending>();
  private count = 0;

  constructor(private readonly call: Call) {}

  /** The number of events that were erased. */
  get events(): number {
    return this.count;
  }

  know({ stream, erased }: ExportedControl): void {
    if (erased.length > 0) this.records.set(stream, erased);
  }

  /** After a commit was stored. Throws LineError. */
  async add({ commit, line }: FileCommit): Promise<void> {
    for (const { stream, firstVersion, events, isErased } of commit.appends) {
      if (!isErased) continue;
      this.count += events.length;
      const toVersion = firstVersion + BigInt(events.length) - 1n;
      const reason = this.reasonOf(stream, firstVersion);
      const before = this.pending.get(stream);
      const goesOn = before?.reason === reason && before.toVersion + 1n === firstVersion;
      if (before !== undefined && !goesOn) await this.erase(stream, before);
      const fromVersion = goesOn ? before.fromVersion : firstVersion;
      this.pending.set(stream, { fromVersion, toVersion, reason, line });
    }
    if (this.pending.size > pendingMax) await this.flush();
  }

  /** Throws LineError. */
  async flush(): Promise<void> {
    for (const [stream, pending] of this.pending) await this.erase(stream, pending);
  }

  private async erase(stream: string, { line, ...erasure }: Pending): Promise<void> {
    const { client, deadlineMs, signal } = this.call;
    try {
      await client.streams.erase(stream, erasure, { deadlineMs, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new LineError(line, error);
    }
    this.pending.delete(stream);
  }

  private reasonOf(stream: string, version: bigint): string {
    const found = this.records
      .get(stream)
      ?.findLast(({ fromVersion, toVersion }) => fromVersion <= version && version <= toVersion);
    return found?.reason ?? unknownReason;
  }
}
