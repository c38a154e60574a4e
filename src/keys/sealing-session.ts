import type { AppendConditions, AppendResult, AppendSession, NewEvent } from '../client/client';
import { CancelledError, OverloadedError } from '../client/client';
import { sealEvents, type Sealing } from './seal-events';

/** As in the session behind it. */
const pendingMaxDefault = 1_024;
const cancelledStatus = 1;
const exhaustedStatus = 8;

/** A session whose events are encrypted. Keys are fetched side by side; the appends are sent in the order of the calls. */
export class SealingSession implements AppendSession {
  /** Settles when the append before has been sent or has failed. */
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  /** Why an append of a session in order was not sent: no later one is. */
  private failed: { readonly error: unknown } | undefined;

  constructor(
    private readonly sealing: Sealing,
    private readonly session: AppendSession,
    private readonly options: {
      readonly pendingMax?: number | undefined;
      readonly inOrder?: boolean | undefined;
    },
  ) {}

  async append(
    stream: string,
    events: readonly NewEvent[],
    conditions: AppendConditions = {},
  ): Promise<AppendResult> {
    const { pendingMax = pendingMaxDefault } = this.options;
    if (this.waiting >= pendingMax) {
      const message = `${pendingMax} appends of the session wait for keys; wait for ready()`;
      throw new OverloadedError({ message, status: exhaustedStatus }, 0);
    }
    this.waiting++;
    const sealed = sealEvents(this.sealing, [{ stream, events }], conditions.commitId);
    sealed.catch(() => undefined);
    const sent = this.send(this.last, sealed, conditions);
    this.last = sent.catch(() => undefined);
    return (await sent.finally(() => this.waiting--)).result;
  }

  async ready(): Promise<void> {
    await this.last;
    await this.session.ready();
  }

  async close(): Promise<void> {
    await this.last;
    await this.session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Resolves when the append is sent; in an object, so that nobody waits for its result. */
  private async send(
    before: Promise<unknown>,
    sealed: ReturnType<typeof sealEvents>,
    conditions: AppendConditions,
  ): Promise<{ readonly result: Promise<AppendResult> }> {
    await before;
    if (this.failed !== undefined) {
      const message = 'an earlier append of the session failed, and the session is in order';
      throw new CancelledError({ message, status: cancelledStatus, cause: this.failed.error });
    }
    try {
      const [append] = await sealed;
      return { result: this.session.append(append?.stream ?? '', append?.events ?? [], conditions) };
    } catch (error) {
      if (this.options.inOrder === true) this.failed = { error };
      throw error;
    }
  }
}
