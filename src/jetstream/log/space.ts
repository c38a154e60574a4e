import type { Logger } from 'pino';
import { StoreFullError } from '../../store/errors';

/** From here on somebody should make room. */
const nearlyFullShare = 0.9;
/** What was refused before would be refused again. */
const fullShare = 0.99;
/** NATS does not say when there is room again: for so long after it refused an append for want of room, there is none. */
const refusalMs = 10_000;

/** What a gateway knows of the room that the store has. */
export class Space {
  private closed: string | undefined;
  private refused: { readonly reason: string; readonly untilMs: number } | undefined;
  private roomBytes = Infinity;
  private isTold = false;
  private isNearlyFull = false;
  private listener: ((hasRoom: boolean) => void) | undefined;
  /** An append got no answer: nats-server gives none when it cannot write. */
  unanswered = false;

  constructor(private readonly log: Logger) {}

  /** Why it takes no appends now; undefined: it does. */
  get fullBy(): string | undefined {
    if (this.closed !== undefined) return this.closed;
    return this.refused !== undefined && Date.now() < this.refused.untilMs ? this.refused.reason : undefined;
  }

  /** Why an append is not to be sent to NATS at all; undefined: NATS is asked. */
  get closedBy(): StoreFullError | undefined {
    return this.closed === undefined
      ? undefined
      : new StoreFullError(`the store has no space: ${this.closed}`);
  }

  /** Told of every change, and of how it is now. */
  onChange(listener: (hasRoom: boolean) => void): void {
    this.listener = listener;
    listener(this.fullBy === undefined);
  }

  /** NATS refused an append. */
  refuse(reason: string): void {
    this.refused = { reason, untilMs: Date.now() + refusalMs };
    this.tell();
  }

  /** The gateway's own server cannot take any, or it can. */
  close(reason: string | undefined): void {
    this.closed = reason;
    this.tell();
  }

  /** What the gateway's own server and its disk have room for yet: a share of the disk, which need not be whole. */
  hasRoomFor(bytes: number): void {
    this.roomBytes = Math.floor(bytes);
  }

  /** The bytes beyond which a log of a size takes no more; 0: no bound is known. */
  bytesMax(bytes: number, configured: unknown): number {
    const ofLog = typeof configured === 'number' && configured > 0 ? configured : Infinity;
    const bound = Math.min(ofLog, bytes + Math.max(0, this.roomBytes));
    return bound === Infinity ? 0 : bound;
  }

  /** The log has this size now. */
  see(bytes: number, configured: unknown): void {
    const bytesMax = this.bytesMax(bytes, configured);
    const share = bytesMax === 0 ? 0 : bytes / bytesMax;
    if (share >= fullShare && this.fullBy !== undefined && this.refused !== undefined)
      this.refuse(this.refused.reason);
    const isNearlyFull = share >= nearlyFullShare;
    if (isNearlyFull && !this.isNearlyFull) this.log.warn({ bytes, bytesMax }, 'the store is nearly full');
    this.isNearlyFull = isNearlyFull;
    this.tell();
  }

  private tell(): void {
    const reason = this.fullBy;
    if ((reason !== undefined) === this.isTold) return;
    this.isTold = reason !== undefined;
    if (reason === undefined) this.log.info('the store takes appends again');
    else this.log.error({ reason }, 'the store is full: appends are refused');
    this.listener?.(reason === undefined);
  }
}
