import { constants } from 'node:http2';
import type { Share } from '../auth/quota';
import type { Limits } from '../limits';
import { CancelledError, InvalidRequestError, OverloadedError } from '../store/errors';
import type { RefusingBound } from '../store/refusing-bounds';
import type { Access } from './access';
import type { CallKind } from './call-kind';
import { countChunks } from './count-chunks';
import type { Failure } from './failure';
import type { Held, HeldOfConnection } from './held';
import type { InnerCall } from './inner-call';
import { requestIdOf } from './request-id';
import { toStatus } from './status';

/** What all incoming calls share. */
export interface Surroundings {
  readonly limits: Limits;
  /** All that is held. */
  readonly held: Held;
  /** Too many bytes are held in all. */
  makeSpace(): void;
  /** Returns the number of a call that begins. */
  begun(incoming: Incoming): number;
  /** The call is over, although its caller may not have closed it. Called once, before `closed`. */
  over(): void;
  closed(incoming: Incoming): void;
  /** The call is refused for this reason. */
  refused(incoming: Incoming, error: Failure): void;
}

const headerBytes = 5;
/** What Node keeps for one chunk, and grpc-js for one message, beside the bytes. */
const chunkOverheadBytes = 256;
const messageOverheadBytes = 512;
/** The first size of a buffer, which then grows: a declared length alone takes no memory. */
const firstBytes = 16 << 10;

/** What a refused caller may have sent before it knew. The rest stays with it, by flow control, until its call is reset. */
const unidentifiedBytesMax = 64 << 10;

/**
 * What comes for one call. It replaces the decoder of grpc-js, which keeps each piece of a message as it came, and bounds what
 * is held until a handler takes it.
 */
export class Incoming implements Held {
  heldBytes = 0;
  /** What the call is counted in until it is over; undefined: nothing but the bounds of its connection. */
  share: Share | undefined;
  private headerFilled = 0;
  private flags = 0;
  private declaredBytes = 0;
  /** With its header, as far as it has come. */
  private message: Buffer | undefined;
  private filled = 0;
  private size = 0;
  private messages = 0;
  private isTaken = false;
  private endedAtMs: number | undefined;
  private sinceMs = performance.now();
  private bytesSince = 0;
  /** undefined: the caller is not identified yet. */
  identified: Access | undefined;
  /** A handler has the call. */
  isEntered = false;
  /** What the call was ended with, instead of what its handler says. */
  refusal: Failure | undefined;
  private knownId: string | undefined;
  /** Bytes that a caller without an identity may still send; undefined: any number. */
  private discardable: number | undefined;

  readonly number: number;

  constructor(
    readonly call: InnerCall,
    readonly kind: CallKind,
    readonly connection: HeldOfConnection,
    private readonly surroundings: Surroundings,
  ) {
    this.number = surroundings.begun(this);
    const { stream } = call;
    countChunks(stream, this);
    stream.on('data', this.onData);
    stream.once('close', this.onClose);
  }

  /** The messages that are complete with this piece, each with its header; one that is too large ends the call. */
  write(data: Buffer): Buffer[] {
    const complete: Buffer[] = [];
    for (let at = 0; at < data.length && this.endedAtMs === undefined;) {
      at += this.message === undefined ? this.readHeader(data, at) : this.readBody(this.message, data, at);
      if (this.message !== undefined && this.filled === this.size) {
        this.kind.rpc.messagesReceived++;
        complete.push(this.message);
        this.message = undefined;
        this.messages++;
        this.hold(messageOverheadBytes);
      }
    }
    return this.endedAtMs === undefined ? complete : [];
  }

  came(bytes: number): void {
    if (this.endedAtMs !== undefined) return;
    this.bytesSince += bytes;
    this.hold(bytes + chunkOverheadBytes);
  }

  /** Of the caller, once it is identified, which is before its request is read. */
  get access(): Access {
    if (this.identified === undefined) throw new Error('the caller was not identified');
    return this.identified;
  }

  /** Made at the first use, since most calls need none. */
  get requestId(): string {
    return (this.knownId ??= requestIdOf(this.call.metadata));
  }

  /** The caller is identified. Throws QuotaExceededError if it has too many calls already. */
  identify(access: Access, share: Share | undefined): void {
    this.identified = access;
    if (this.isOver) return;
    share?.enter('calls', access.permissions.limits);
    this.share = share;
  }

  /** Somebody deals with the only request of the call. */
  taken(): void {
    this.isTaken = true;
    this.release(this.heldBytes);
  }

  /** Somebody has dealt with one of its messages. */
  consumed(bytes: number): void {
    this.release(bytes + headerBytes + messageOverheadBytes);
  }

  hold(bytes: number): void {
    const { limits, held } = this.surroundings;
    if (this.isOver) return;
    this.add(bytes);
    const { heldBytes } = this.connection;
    if (heldBytes > limits.connectionHeldBytesMax && heldBytes > this.heldBytes)
      this.refuse('connectionHeldBytesMax', `${heldBytes} bytes of requests of this connection wait already`);
    else if (held.heldBytes > limits.heldBytesMax) this.surroundings.makeSpace();
  }

  release(bytes: number): void {
    this.add(-Math.min(bytes, this.heldBytes));
  }

  get isOver(): boolean {
    return this.endedAtMs !== undefined;
  }

  /** Whether it can be refused: its request has not been taken, or it may have many, whose outcomes are then unknown. */
  get isRefusable(): boolean {
    return !this.isOver && this.heldBytes > 0 && !this.isTaken;
  }

  /** Ends the call because a bound is reached. */
  refuse(bound: RefusingBound, reason: string): void {
    this.refuseWith(new OverloadedError(bound, reason));
  }

  /** Ends the call because a message is invalid. */
  refuseRequest(description: string): void {
    this.refuseWith(new InvalidRequestError([{ field: 'request', description }]));
  }

  /** Ends the call because its caller has no identity. It takes no request of such a caller from the network. */
  refuseCaller(error: Failure): void {
    if (this.isOver) return;
    this.discardable = unidentifiedBytesMax;
    this.end(error);
  }

  /** Called from time to time. */
  check(nowMs: number): void {
    const { requestStallTimeoutMs, requestStallBytes } = this.surroundings.limits;
    if (this.call.stream.writableFinished && !this.isOver) this.stop();
    if (this.endedAtMs !== undefined) {
      if (nowMs - this.endedAtMs >= requestStallTimeoutMs) this.call.stream.close(constants.NGHTTP2_CANCEL);
      return;
    }
    const { isAwaited } = this;
    if (isAwaited && nowMs - this.sinceMs < requestStallTimeoutMs) return;
    if (isAwaited && this.bytesSince < requestStallBytes) {
      this.end(new CancelledError(`the request did not come within ${requestStallTimeoutMs} ms`));
      return;
    }
    this.sinceMs = nowMs;
    this.bytesSince = 0;
  }

  /** Whether the caller has yet to send the rest of a message. */
  private get isAwaited(): boolean {
    const { requests, mayBeIdle } = this.kind;
    if (this.messages === 0 && !mayBeIdle) return !this.connection.isRelayed || this.message !== undefined;
    if (requests === 'one') return !this.isTaken; // the end of its request
    return this.message !== undefined && !this.call.stream.isPaused();
  }

  private refuseWith(error: InvalidRequestError | OverloadedError): void {
    const hasBegun = this.kind.requests === 'many' && this.messages > 0;
    // For a session, the error itself would mean that nothing without an answer is stored.
    this.end(hasBegun ? new CancelledError(error.message) : error, error);
  }

  /**
   * Sends the status, and discards what the caller still sends. It never resets the call: this may run while Node hands over
   * what has come, and Node 20 corrupts its memory if the wrong call is reset then. A reset is for `check`, which a timer calls.
   */
  private end(error: Failure, cause = error): void {
    this.stop();
    this.call.sendStatus(toStatus(error, this.requestId));
    this.call.stream.resume();
    this.refusal = error;
    this.surroundings.refused(this, cause);
  }

  private stop(): void {
    if (!this.isOver) {
      this.endedAtMs = performance.now();
      this.share?.leave('calls');
      this.surroundings.over();
    }
    this.message = undefined;
    this.release(this.heldBytes);
  }

  private add(bytes: number): void {
    this.heldBytes += bytes;
    this.connection.heldBytes += bytes;
    this.surroundings.held.heldBytes += bytes;
  }

  private readHeader(data: Buffer, begin: number): number {
    let at = begin;
    for (; this.headerFilled < headerBytes && at < data.length; at++) {
      const byte = data[at] as number;
      if (this.headerFilled++ === 0) this.flags = byte;
      else this.declaredBytes = this.declaredBytes * 256 + byte;
    }
    if (this.headerFilled === headerBytes) this.begin(data.length - at);
    return at - begin;
  }

  /** The header of a message is complete; this many bytes are there after it. */
  private begin(bytes: number): void {
    const { flags, declaredBytes: size } = this;
    this.headerFilled = 0;
    this.declaredBytes = 0;
    const { messageBytesMax } = this.kind;
    if (size > messageBytesMax) {
      this.refuseRequest(`has ${size} bytes, more than the limit of ${messageBytesMax}`);
      return;
    }
    this.size = headerBytes + size;
    const message = this.grown(Math.min(this.size, Math.max(firstBytes, headerBytes + bytes)));
    if (message === undefined) return;
    message[0] = flags;
    this.filled = message.writeUInt32BE(size, 1);
    this.message = message;
  }

  private readBody(message: Buffer, data: Buffer, at: number): number {
    const bytes = Math.min(data.length - at, this.size - this.filled);
    let target: Buffer | undefined = message;
    if (this.filled + bytes > message.length) {
      target = this.grown(Math.min(this.size, Math.max(2 * message.length, this.filled + bytes)));
      if (target === undefined) return bytes;
      message.copy(target, 0, 0, this.filled);
      this.release(message.length);
      this.message = target;
    }
    data.copy(target, this.filled, at, at + bytes);
    this.filled += bytes;
    return bytes;
  }

  /** undefined: a bound is reached, and the call is refused. */
  private grown(bytes: number): Buffer | undefined {
    this.hold(bytes);
    return this.isOver ? undefined : Buffer.allocUnsafe(bytes);
  }

  private readonly onData = (data: Buffer): void => {
    this.release(data.length + chunkOverheadBytes);
    if (this.discardable !== undefined && (this.discardable -= data.length) < 0) this.call.stream.pause();
  };

  private readonly onClose = (): void => {
    this.stop();
    this.surroundings.closed(this);
  };
}
