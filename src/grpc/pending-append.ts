import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { OrderSlot } from '../store/append-order';
import type { AppendResult } from '../store/event-store';
import type { CallSpan } from '../tracing/call-span';
import type { Ended } from './connection-appends';
import type { SessionStream } from './session-streams';

/** What an append is to its session. */
interface Place {
  readonly tag: bigint;
  /** Among the appends of the session. */
  readonly number: number;
  readonly stream: SessionStream;
  /** undefined: not in order. */
  readonly orderSlot: OrderSlot | undefined;
  readonly bytes: number;
}

/** Answers appends. */
interface Answering {
  succeed(append: PendingAppend, result: AppendResult): void;
  fail(append: PendingAppend, error: unknown): void;
}

/** An append of a session that has no answer yet. It takes its own end, so that no functions of its own are kept until then. */
export class PendingAppend implements Place, Ended<AppendResult, void> {
  readonly tag: bigint;
  readonly number: number;
  readonly stream: SessionStream;
  readonly orderSlot: OrderSlot | undefined;
  readonly bytes: number;
  readonly expectedVersion: bigint | undefined;
  readonly mustExist: boolean;
  readonly eventCount: number;
  readonly withCommitTime: boolean;
  trace: CallSpan | undefined;

  /** `request`: undefined: it could not be decoded. */
  constructor(
    private readonly session: Answering,
    { tag, number, stream, orderSlot, bytes }: Place,
    request: AppendRequest | undefined,
  ) {
    this.tag = tag;
    this.number = number;
    this.stream = stream;
    this.orderSlot = orderSlot;
    this.bytes = bytes;
    this.expectedVersion = request?.expectedVersion;
    this.mustExist = request?.mustExist ?? false;
    this.eventCount = request?.events.length ?? 0;
    this.withCommitTime = request?.withCommitTime ?? false;
  }

  succeeded(result: AppendResult): void {
    this.session.succeed(this, result);
  }

  failed(error: unknown): void {
    this.session.fail(this, error);
  }
}
