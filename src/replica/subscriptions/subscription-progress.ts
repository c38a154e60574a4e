import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun, SubscriptionUpdate } from '../../store/event-store';
import { position } from '../../store/values';
import type { Start } from './subscription-start';

/** With the ticks of the replica, a subscriber gets a position at least every 5 seconds. */
const checkpointMs = 2_900;
const checkpointSequences = 500n;

/** How far a subscription is, and how far its subscriber knows it to be. */
export class SubscriptionProgress {
  /** The subscription has handled all commits up to here. */
  at: bigint;
  /** Whether its subscriber knows that it has caught up, and has not fallen behind since. */
  isLive = false;
  private reported: bigint;
  private reportedAtMs = performance.now();

  constructor(private readonly start: Pick<Start, 'after' | 'within'>) {
    this.at = this.reported = start.after;
  }

  /** undefined: a subscriber that resumed from here would get the beginning of the first commit again. */
  get position(): SubscriptionUpdate['position'] {
    return this.resumable(this.at);
  }

  advanceTo(position: bigint): void {
    if (position > this.at) this.at = position;
  }

  /** Reports the position without events. */
  say(kind: 'checkpoint' | 'caughtUp' | 'fellBehind'): SubscriptionUpdate {
    return { kind, position: this.report(this.at) };
  }

  /** Reports events, and what was skipped after them up to the position; a checkpoint if one is due. */
  *found(
    runs: readonly EventRun[] = [],
    unreadable: readonly UnreadableCommitError[] = [],
  ): Generator<SubscriptionUpdate, void> {
    const isDue = this.isCheckpointDue;
    const last = runs.at(-1);
    if (last !== undefined) {
      const at = unreadable.length === 0 ? this.at : last.position;
      yield { kind: 'events', runs, position: this.report(at) };
    }
    if (unreadable.length > 0) yield { kind: 'checkpoint', unreadable, position: this.report(this.at) };
    else if (last === undefined && isDue) yield this.say('checkpoint');
  }

  private get isCheckpointDue(): boolean {
    const unreported = this.at - this.reported;
    if (unreported <= 0n) return false;
    return unreported >= checkpointSequences || performance.now() - this.reportedAtMs >= checkpointMs;
  }

  private report(at: bigint): SubscriptionUpdate['position'] {
    this.reported = at;
    this.reportedAtMs = performance.now();
    return this.resumable(at);
  }

  private resumable(at: bigint): SubscriptionUpdate['position'] {
    const { within } = this.start;
    return within !== undefined && at < within.position ? undefined : position(at);
  }
}
