import type { DeepPartial } from '../../generated/sluice/v1/event';
import type { SubscribeRequest } from '../../generated/sluice/v1/event_store_service';
import type { ContractStore, Followed, StoredEvent } from './contract-store';

/** A subscription as the tests read it. */
export class Follower implements AsyncDisposable {
  private readonly updates: AsyncGenerator<Followed, void>;

  constructor(store: ContractStore, request: DeepPartial<SubscribeRequest>) {
    this.updates = store.follow(request);
  }

  async next(): Promise<Followed> {
    const { done, value } = await this.updates.next();
    if (done === true) throw new Error('the subscription ended');
    return value;
  }

  /** The next update of a kind; others are skipped, except for events, which are an error. */
  async until(kind: Followed['kind']): Promise<Followed> {
    for (;;) {
      const update = await this.next();
      if (update.kind === kind) return update;
      if (update.kind === 'events') throw new Error(`events came before ${kind}`);
    }
  }

  /** The next events, this many. */
  async take(count: number): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    while (events.length < count) events.push(...(await this.next()).events);
    if (events.length > count) throw new Error(`${events.length} events came, not ${count}`);
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.updates.return();
  }
}
