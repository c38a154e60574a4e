import type { Logger } from 'pino';
import { StoreFullError } from '../../store/errors';
import type { SpaceFacts } from '../../store/store-facts';

/** From this share on, an operator should make space. */
const nearlyFullShare = 0.9;
/** From this share on, an append is refused again after one was. */
const fullShare = 0.99;
/** NATS does not report when there is space again: the store counts as full for this time after it refused an append. */
const refusalMs = 10_000;

/** NATS has refused an append lately. */
export interface Refusal {
  readonly reason: string;
  /** How long the store still counts as full. Processes that tell each other must not prolong it. */
  readonly forMs: number;
}

/** What the process that runs the embedded nats-server knows of its disk, and what it has got from others. */
export interface DiskReport {
  /** Why no append can be stored; undefined: it can. */
  readonly closedBy: string | undefined;
  readonly freeBytes: number;
  readonly refused: Refusal | undefined;
}

/** What another process of the gateway learns from its appends. */
export interface SpaceReport {
  readonly refused: Refusal | undefined;
  /** Whether one got no answer since the last report. */
  readonly isUnanswered: boolean;
}

/** What this gateway knows of the space that the store has. */
export class Space {
  private closed: string | undefined;
  private refused: { readonly reason: string; readonly untilMs: number } | undefined;
  private freeBytes = Infinity;
  private isReported = false;
  private size: { readonly bytes: number; readonly configured: unknown } = { bytes: 0, configured: 0 };
  private isNearlyFull = false;
  private listener: ((hasSpace: boolean) => void) | undefined;
  /** An append got no answer: nats-server does not answer when it cannot write. */
  unanswered = false;

  constructor(private readonly log: Logger) {}

  /** Why the store takes no appends now; undefined: it does. */
  get fullBy(): string | undefined {
    return this.closed ?? this.refusal?.reason;
  }

  /** The error for an append that is not even sent to NATS; undefined: it is sent. */
  get closedBy(): StoreFullError | undefined {
    return this.closed === undefined
      ? undefined
      : new StoreFullError(`the store has no space: ${this.closed}`);
  }

  /** As of the last check. */
  get facts(): SpaceFacts {
    const { bytes, configured } = this.size;
    return {
      bytes,
      bytesMax: this.bytesMax(bytes, configured) || undefined,
      takesAppends: this.fullBy === undefined,
    };
  }

  /** The listener gets whether there is space: now, and whenever that changes. */
  onChange(listener: (hasSpace: boolean) => void): void {
    this.listener = listener;
    listener(this.fullBy === undefined);
  }

  /** NATS refused an append. */
  refuse(reason: string, forMs = refusalMs): void {
    const untilMs = Math.max(this.refused?.untilMs ?? 0, performance.now() + forMs);
    this.refused = { reason, untilMs };
    this.report();
  }

  /** The embedded nats-server cannot store any append, for this reason; undefined: it can. */
  close(reason: string | undefined): void {
    this.closed = reason;
    this.report();
  }

  /** For the other processes of the gateway. */
  get disk(): DiskReport {
    return { closedBy: this.closed, freeBytes: this.freeBytes, refused: this.refusal };
  }

  /** Another process runs the embedded nats-server, and says this of its disk. */
  takeDisk({ closedBy, freeBytes, refused }: DiskReport): void {
    this.freeBytes = freeBytes;
    this.close(closedBy);
    if (refused !== undefined) this.refuse(refused.reason, refused.forMs);
  }

  /** For the process that runs the embedded nats-server. */
  takeReport(): SpaceReport {
    const isUnanswered = this.unanswered;
    this.unanswered = false;
    return { refused: this.refusal, isUnanswered };
  }

  /** Another process of the gateway has learnt this. */
  note({ refused, isUnanswered }: SpaceReport): void {
    if (isUnanswered) this.unanswered = true;
    if (refused !== undefined) this.refuse(refused.reason, refused.forMs);
  }

  /** How many more bytes the embedded nats-server and its disk can store. */
  setFreeBytes(bytes: number): void {
    this.freeBytes = Math.floor(bytes);
  }

  /** The size in bytes up to which a log, of `bytes` now, takes appends; 0: no bound is known. */
  bytesMax(bytes: number, configured: unknown): number {
    const ofLog = typeof configured === 'number' && configured > 0 ? configured : Infinity;
    const bound = Math.min(ofLog, bytes + Math.max(0, this.freeBytes));
    return bound === Infinity ? 0 : bound;
  }

  /** The log has this size in bytes now. */
  setSize(bytes: number, configured: unknown): void {
    this.size = { bytes, configured };
    const bytesMax = this.bytesMax(bytes, configured);
    const share = bytesMax === 0 ? 0 : bytes / bytesMax;
    if (share >= fullShare && this.fullBy !== undefined && this.refused !== undefined)
      this.refuse(this.refused.reason);
    const isNearlyFull = share >= nearlyFullShare;
    if (isNearlyFull && !this.isNearlyFull) this.log.warn({ bytes, bytesMax }, 'the store is nearly full');
    this.isNearlyFull = isNearlyFull;
    this.report();
  }

  private get refusal(): Refusal | undefined {
    if (this.refused === undefined) return undefined;
    const { reason, untilMs } = this.refused;
    const forMs = untilMs - performance.now();
    return forMs > 0 ? { reason, forMs } : undefined;
  }

  private report(): void {
    const reason = this.fullBy;
    if ((reason !== undefined) === this.isReported) return;
    this.isReported = reason !== undefined;
    if (reason === undefined) this.log.info('the store takes appends again');
    else this.log.error({ reason }, 'the store is full: appends are refused');
    this.listener?.(reason === undefined);
  }
}
