import type { CallContext } from '../../store/event-store';
import type { Log, LogEnd } from '../../store/log';
import type { ReplicaState } from './state';

/** What a replica has of its log. */
export type Known = Pick<ReplicaState, 'identity' | 'applied' | 'last' | 'lost'>;

/** What was known before the log was asked for its end. */
export interface Expected {
  /** undefined: the replica has nothing of the log. */
  readonly known: Known | undefined;
  /** The highest sequence that this gateway knows to be acknowledged. */
  readonly acknowledged: bigint;
}

export interface Comparison {
  /** Why the replica does not match the log; undefined: it does. */
  readonly mismatch: string | undefined;
  readonly isCertain: boolean;
}

/**
 * How long a mismatch must last if the log has several servers: a leader that was replaced may not know it yet. A leader that
 * is cut off from the others resigns after 10 s without them, which it checks every 10 s.
 */
const certainAfterMs = 22_000;

/** Compares a replica with the log. */
export class LogComparer {
  private mismatchSince: { readonly firstMs: number; readonly lastMs: number } | undefined;
  /** How many messages the log lacked when the replica was last rebuilt, here or in another process. */
  lostAtRebuild: bigint | undefined;

  constructor(private readonly log: Log) {}

  /** Compares with the end of the log only, without a request. */
  compareEnd(end: LogEnd, expected: Expected): Comparison {
    return this.conclude(end, this.mismatchOf(end, expected));
  }

  /** Compares with the end of the log and with its commit at the last sequence of the replica. */
  async compare(end: LogEnd, expected: Expected, call: CallContext): Promise<Comparison> {
    return this.conclude(end, this.mismatchOf(end, expected) ?? (await this.mismatchOfLast(expected, call)));
  }

  private async mismatchOfLast({ known }: Expected, call: CallContext): Promise<string | undefined> {
    const last = known?.last;
    if (last === undefined) return undefined;
    const found = await this.log.identityAt(last.sequence, call);
    return found === last.identity ? undefined : `the log has another commit at ${last.sequence.toString()}`;
  }

  private conclude({ isAuthoritative, lost }: LogEnd, mismatch: string | undefined): Comparison {
    if (mismatch === undefined) {
      this.mismatchSince = undefined;
      return { mismatch, isCertain: true };
    }
    const nowMs = performance.now();
    const { mismatchSince: since } = this;
    // An old mismatch without a later comparison proves nothing.
    const isContinued = since !== undefined && nowMs - since.lastMs <= certainAfterMs;
    const firstMs = isContinued ? since.firstMs : nowMs;
    this.mismatchSince = { firstMs, lastMs: nowMs };
    const isCertain = isAuthoritative || nowMs - firstMs > certainAfterMs;
    if (isCertain) this.lostAtRebuild = lost;
    return { mismatch, isCertain };
  }

  private mismatchOf(end: LogEnd, { known, acknowledged }: Expected): string | undefined {
    if (known !== undefined && known.identity !== end.identity) return 'the log is another one';
    if (known !== undefined && known.applied > end.sequence) return endsBefore(end, known.applied);
    if (acknowledged > end.sequence) return endsBefore(end, acknowledged);
    // Only at the same end are both numbers about the same messages.
    if (known?.applied !== end.sequence || known.lost.messages === end.lost) return undefined;
    // Only once: what the log reports and what it delivers may differ for ever.
    if (this.lostAtRebuild === end.lost) return undefined;
    const [now, before] = [end.lost.toString(), known.lost.messages.toString()];
    return `the log lacks ${now} messages; the replica lacks ${before}`;
  }
}

function endsBefore({ sequence }: LogEnd, known: bigint): string {
  return `the log ends at ${sequence.toString()}, before ${known.toString()}`;
}
