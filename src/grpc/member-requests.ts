import { ConsumeRequest } from '../../generated/sluice/v1/consumer_group_service';
import type { Limits } from '../limits';
import { parseJoin, parseMemberRequest, type MemberSays } from '../requests/consume';
import type { JoinCommand, Membership } from '../store/consumer-groups';
import { CancelledError, InvalidRequestError } from '../store/errors';
import type { Session } from './calls';
import { decodeRequest } from './decode';
import { plainAck } from './plain-ack';

/** Refusals that may wait for a member: what it says comes no faster than it takes them. */
const refusedMax = 256;
/** Deliveries of one request that are settled at a time. */
const settledAtATime = 256;

/** A request, as far as it is not done. */
interface Waiting {
  readonly says: MemberSays;
  readonly bytes: number;
  /** The number of its deliveries that are done. */
  done: number;
}

/**
 * What a member sends. Its requests are carried out as they come, whether or not it takes what it is sent; only a member that does
 * not take refusals waits, with at most one request in memory.
 */
export class MemberRequests {
  private waiting: Waiting[] = [];
  private membership: Membership | undefined;
  private hasLeft = false;
  private isOver = false;
  private joined = false;
  private readonly join: Promise<JoinCommand>;
  private onJoin: (join: JoinCommand) => void = () => undefined;

  constructor(
    private readonly session: Session,
    private readonly limits: Limits,
  ) {
    const { signal } = session.caller;
    this.join = new Promise((resolve, reject) => {
      this.onJoin = resolve;
      const abort = (): void => {
        reject(signal.reason as Error);
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    this.join.catch(() => undefined); // the call may end before anybody waits
    session.requests.start(this.onRequest, this.onEnd);
  }

  /** The first request. Rejects if the call ends before. */
  first(): Promise<JoinCommand> {
    return this.join;
  }

  /** From now on, what the member says is carried out. */
  settle(membership: Membership): void {
    this.membership = membership;
    this.proceed();
  }

  /** The member has taken something. */
  proceed(): void {
    const { membership, waiting, session } = this;
    if (membership === undefined || this.isOver) return;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (membership.refusedWaiting >= refusedMax) {
        session.requests.pause();
        return;
      }
      if (!this.carryOut(next, membership)) continue;
      waiting.shift();
      session.requests.done(next.bytes);
    }
    session.requests.resume();
  }

  /** The call is over. */
  end(): void {
    this.isOver = true;
    this.session.requests.pause();
  }

  private readonly onRequest = (bytes: Buffer): void => {
    if (this.isOver) return;
    const { session, limits } = this;
    try {
      if (this.joined) {
        const says = this.read(bytes);
        if (says.kind === 'leave') this.hasLeft = true;
        this.waiting.push({ says, bytes: bytes.length, done: 0 });
        this.proceed();
        return;
      }
      this.onJoin(parseJoin(decodeRequest(ConsumeRequest, bytes, session.caller.path, limits), limits));
      this.joined = true;
      session.requests.done(bytes.length);
      session.requests.pause();
    } catch (error) {
      session.fail(error);
    }
  };

  private readonly onEnd = (): void => {
    if (this.hasLeft || this.isOver) return;
    this.session.fail(
      this.joined
        ? new CancelledError('the member has closed its requests without leave')
        : new InvalidRequestError([{ field: 'join', description: 'is required in the first request' }]),
    );
  };

  private read(bytes: Buffer): MemberSays {
    const { session, limits } = this;
    const deliveries = plainAck(bytes, limits.memberInFlightMax);
    if (deliveries !== undefined) return { kind: 'ack', deliveries };
    return parseMemberRequest(decodeRequest(ConsumeRequest, bytes, session.caller.path, limits), limits);
  }

  /** Whether the request is done. */
  private carryOut(request: Waiting, membership: Membership): boolean {
    const { says } = request;
    switch (says.kind) {
      case 'ack':
      case 'extend': {
        const end = request.done + settledAtATime;
        membership[says.kind](says.deliveries.slice(request.done, end));
        request.done = end;
        return end >= says.deliveries.length;
      }
      case 'fail':
        membership.fail(says.delivery, says.handled, says.failed);
        return true;
      case 'leave':
        membership.leave();
        return true;
    }
  }
}
