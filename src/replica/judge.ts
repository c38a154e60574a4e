import type { CallContext } from '../store/event-store';
import type { Log, LogEnd } from '../store/log';
import type { ReplicaState } from './state';

/** What is known of a log whose copy a replica is. */
export type Known = Pick<ReplicaState, 'identity' | 'applied' | 'last' | 'lost'>;

/** So long a log of several servers is asked again that says what cannot be: a leader that was replaced may not know it yet. */
const doubtMs = 5_000;

/** Tells whether a replica is of a log. */
export class Judge {
  private doubtedAtMs: number | undefined;
  /** Messages that the log said to lack when the replica was made again for that. */
  private lackedBefore: bigint | undefined;

  constructor(private readonly log: Log) {}

  /** Why a replica is not of a log that ends so, as far as that can be told without asking. */
  contradiction(end: LogEnd, known: Known): Verdict {
    return this.verdict(end, this.found(end, known));
  }

  /** The same for what is stored there. */
  async disagreement(end: LogEnd, known: Known, call: CallContext): Promise<Verdict> {
    return this.verdict(end, this.found(end, known) ?? (await this.otherCommit(known, call)));
  }

  private async otherCommit({ last }: Known, call: CallContext): Promise<string | undefined> {
    if (last === undefined) return undefined;
    const found = await this.log.identityAt(last.sequence, call);
    return found === last.identity ? undefined : `the log has another commit at ${last.sequence.toString()}`;
  }

  private verdict({ isSure }: LogEnd, reason: string | undefined): Verdict {
    if (reason === undefined) this.doubtedAtMs = undefined;
    else this.doubtedAtMs ??= Date.now();
    const isCertain = isSure || Date.now() - (this.doubtedAtMs ?? 0) > doubtMs;
    return { reason, isCertain };
  }

  private found(end: LogEnd, known: Known): string | undefined {
    const reason = contradiction(end, known);
    if (reason !== undefined) return reason;
    // Where the log goes on, what is missing may lie beyond what is known here.
    if (known.applied !== end.sequence || known.lost.messages === end.lost) return undefined;
    // Once: what it says of itself and what it gives may differ for good.
    if (this.lackedBefore === end.lost) return undefined;
    this.lackedBefore = end.lost;
    const [now, before] = [end.lost.toString(), known.lost.messages.toString()];
    return `the log lacks ${now} messages, and lacked ${before} when it was read`;
  }
}

export interface Verdict {
  /** Why it does not fit; undefined: it does. */
  readonly reason: string | undefined;
  readonly isCertain: boolean;
}

function contradiction(end: LogEnd, { identity, applied }: Known): string | undefined {
  if (identity !== end.identity) return 'the log is another one';
  if (applied > end.sequence)
    return `the log ends at ${end.sequence.toString()}, before ${applied.toString()}`;
  return undefined;
}
