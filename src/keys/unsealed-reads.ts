import type { AllRead, Cursor, EventRead, RecordedEvent, Subscription } from '../client/client';
import type { KeyStore } from './key-store';
import { unsealEvent } from './unseal-event';

/** A read whose events are decrypted. */
export class UnsealedRead<Head> implements EventRead<Head> {
  constructor(
    private readonly keys: KeyStore,
    private readonly read: EventRead<Head>,
  ) {}

  get head(): Head {
    return this.read.head;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordedEvent, void> {
    for await (const event of this.read) yield await unsealEvent(this.keys, event);
  }
}

/** The same, with a cursor, which stays before an event that cannot be decrypted. */
export class UnsealedAllRead implements AllRead {
  private held: { readonly cursor: Cursor | undefined } | undefined;

  constructor(
    private readonly keys: KeyStore,
    private readonly read: AllRead,
  ) {}

  get head(): AllRead['head'] {
    return this.read.head;
  }

  get cursor(): Cursor | undefined {
    return this.held === undefined ? this.read.cursor : this.held.cursor;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordedEvent, void> {
    this.held = undefined;
    let before = this.read.cursor;
    for await (const event of this.read) {
      this.held = { cursor: before };
      const unsealed = await unsealEvent(this.keys, event);
      this.held = undefined;
      before = this.read.cursor;
      yield unsealed;
    }
  }
}

/** A subscription whose events are decrypted. An event that cannot be decrypted ends the loop; the next loop begins with it. */
export class UnsealedSubscription implements Subscription {
  /** The event that is being decrypted, or could not be, and where the loop was before it. */
  private held: { readonly event: RecordedEvent; readonly cursor: Cursor | undefined } | undefined;

  constructor(
    private readonly keys: KeyStore,
    private readonly subscription: Subscription,
  ) {}

  get position(): bigint | undefined {
    return this.subscription.position;
  }

  get cursor(): Cursor | undefined {
    return this.held === undefined ? this.subscription.cursor : this.held.cursor;
  }

  get lag(): bigint | undefined {
    return this.subscription.lag;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordedEvent, void> {
    if (this.held !== undefined) yield await this.release(this.held.event);
    let cursor = this.subscription.cursor;
    for await (const event of this.subscription) {
      this.held = { event, cursor };
      const unsealed = await this.release(event);
      cursor = this.subscription.cursor;
      yield unsealed;
    }
  }

  private async release(event: RecordedEvent): Promise<RecordedEvent> {
    const unsealed = await unsealEvent(this.keys, event);
    this.held = undefined;
    return unsealed;
  }
}
