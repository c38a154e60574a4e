import type { SubscriptionsFacts } from '../../store/store-facts';

/** How far a subscription is. */
interface Progress {
  /** It has handled all commits up to here. */
  readonly at: bigint;
  readonly isLive: boolean;
}

/** The subscriptions that are open. */
export class OpenSubscriptions {
  private readonly open = new Set<Progress>();

  add(progress: Progress): void {
    this.open.add(progress);
  }

  delete(progress: Progress): void {
    this.open.delete(progress);
  }

  /** `received`: what subscriptions can see. */
  factsAt(received: bigint): SubscriptionsFacts {
    const facts = { live: { count: 0, lagMax: 0 }, catchingUp: { count: 0, lagMax: 0 } };
    for (const { at, isLive } of this.open) {
      const state = isLive ? facts.live : facts.catchingUp;
      state.count++;
      if (at < received) state.lagMax = Math.max(state.lagMax, Number(received - at));
    }
    return facts;
  }
}
