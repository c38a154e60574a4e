import type { CallContext } from '../../store/event-store';
import type { Log, LogEnd } from '../../store/log';
import type { ReplicaState } from './state';

/** What is known of a log whose copy a replica is. */
export type Known = Pick<ReplicaState, 'identity' | 'applied' | 'last' | 'lost'>;

/** What was known before a log was asked for its end. */
export interface Before {
  /** undefined: nothing of it is here. */
  readonly known: Known | undefined;
  /** This gateway has seen it acknowledged. */
  readonly acknowledged: bigint;
}

/**
 * So long a log of several servers is asked again that says what cannot be: a leader that was replaced may not know it yet. One
 * that is cut off from the others steps down when it has not heard of them for 10 s, which it looks at every 10 s.
 */
const doubtMs = 22_000;

/** Tells whether a replica is of a log. */
export class Judge {
  private doubted: { readonly sinceMs: number; readonly lastMs: number } | undefined;
  /** Messages that the log said to lack when the replica was made again. */
  private lackedBefore: bigint | undefined;

  constructor(private readonly log: Log) {}

  /** Why a replica is not of a log that ends so, as far as that can be told without asking. */
  contradiction(end: LogEnd, before: Before): Verdict {
    return this.verdict(end, this.found(end, before));
  }

  /** The same for what is stored there. */
  async disagreement(end: LogEnd, before: Before, call: CallContext): Promise<Verdict> {
    return this.verdict(end, this.found(end, before) ?? (await this.otherCommit(before, call)));
  }

  private async otherCommit({ known }: Before, call: CallContext): Promise<string | undefined> {
    const last = known?.last;
    if (last === undefined) return undefined;
    const found = await this.log.identityAt(last.sequence, call);
    return found === last.identity ? undefined : `the log has another commit at ${last.sequence.toString()}`;
  }

  private verdict({ isAuthoritative, lost }: LogEnd, reason: string | undefined): Verdict {
    if (reason === undefined) {
      this.doubted = undefined;
      return { reason, isCertain: true };
    }
    const nowMs = Date.now();
    const { doubted } = this;
    // What was doubted long ago and not looked at since says nothing.
    const goesOn = doubted !== undefined && nowMs - doubted.lastMs <= doubtMs;
    const sinceMs = goesOn ? doubted.sinceMs : nowMs;
    this.doubted = { sinceMs, lastMs: nowMs };
    const isCertain = isAuthoritative || nowMs - sinceMs > doubtMs;
    if (isCertain) this.lackedBefore = lost;
    return { reason, isCertain };
  }

  private found(end: LogEnd, { known, acknowledged }: Before): string | undefined {
    if (known !== undefined && known.identity !== end.identity) return 'the log is another one';
    if (known !== undefined && known.applied > end.sequence) return endsBefore(end, known.applied);
    if (acknowledged > end.sequence) return endsBefore(end, acknowledged);
    // Where the log goes on, what is missing may lie beyond what is known here.
    if (known?.applied !== end.sequence || known.lost.messages === end.lost) return undefined;
    // Once: what it says of itself and what it gives may differ for good.
    if (this.lackedBefore === end.lost) return undefined;
    const [now, before] = [end.lost.toString(), known.lost.messages.toString()];
    return `the log lacks ${now} messages, and lacked ${before} when it was read`;
  }
}

export interface Verdict {
  /** Why it does not fit; undefined: it does. */
  readonly reason: string | undefined;
  readonly isCertain: boolean;
}

function endsBefore({ sequence }: LogEnd, known: bigint): string {
  return `the log ends at ${sequence.toString()}, before ${known.toString()}`;
}
