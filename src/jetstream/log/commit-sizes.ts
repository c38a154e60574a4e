import type { Limits } from '../../limits';
import type { MessageSize } from '../nats/message-size';
import { framingBytesMax, headerBytesMax } from './commit-codec';

/** How large appends may be now, in bytes: an operator can change the limits of NATS at any time. */
export class CommitSizes {
  constructor(
    /** Headers and body of one NATS message. */
    readonly message: MessageSize,
    private readonly limits: Pick<Limits, 'eventBytesMax' | 'appendBytesMax'>,
  ) {}

  /** The events of one NATS message, with their framing. */
  get bodyBytesMax(): number {
    return Math.max(0, this.message.bytesMax - headerBytesMax);
  }

  /** One event as stored, which must fit into one NATS message. */
  get eventBytesMax(): number {
    return Math.max(0, Math.min(this.limits.eventBytesMax, this.bodyBytesMax - framingBytesMax));
  }

  /** The events of one append as stored. */
  get appendBytesMax(): number {
    return this.limits.appendBytesMax;
  }

  /** Asks NATS how large a message may be; true: less than before. */
  async haveShrunk(): Promise<boolean> {
    const before = this.message.bytesMax;
    await this.message.refresh().catch(() => undefined);
    return this.message.bytesMax < before;
  }
}
