import { setMaxListeners } from 'node:events';
import { ConsumeResponse } from '../../generated/sluice/v1/consumer_group_service';
import type { Limits } from '../limits';
import type { JoinCommand, Membership, MemberUpdate } from '../store/consumer-groups';
import { CancelledError, StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { Caller } from './call-scope';
import type { Session } from './calls';
import { toDeliveryMessages } from './delivery-messages';
import { encodePart } from './encode-part';
import { MemberRequests } from './member-requests';
import { toProtoSettings } from './group-messages';
import { hold, type PermittedGroups } from './permit-group';
import type { Permitted } from './permitted';
import { toDuration } from './proto-time';
import { toRpcStatus } from './status';

/** What all members share. */
export interface ConsumeOptions {
  readonly groups: PermittedGroups;
  /** See `permitGroup`. Throws AccessDeniedError. */
  readonly permitted: (join: JoinCommand, caller: Caller) => Promise<Permitted<JoinCommand>>;
  readonly limits: Limits;
}

/**
 * Joins, carries out what the member says, and yields encoded responses, each of at most `bytesMax`, except for one larger delivery.
 * Ends once the member has left, and throws otherwise.
 */
export async function* consume(
  { groups, permitted, limits }: ConsumeOptions,
  session: Session,
  bytesMax: number,
): AsyncGenerator<Buffer, void> {
  const { caller } = session;
  const requests = new MemberRequests(session, limits);
  const over = new AbortController();
  const { stop } = caller.connection;
  const stopping = new AbortController();
  const onStop = (): void => {
    stopping.abort(new StoreUnavailableError(stop.reason as string));
  };
  stop.addEventListener('abort', onStop);
  if (stop.aborted) onStop();
  try {
    const join = await permitted(await requests.first(), caller);
    stopping.signal.throwIfAborted();
    const membership = await groups.join(join, contextOf(caller, over.signal), stopping.signal);
    let { settings } = membership;
    hold(join.group, settings, caller);
    yield notice({ $case: 'joined', value: joinedOf(membership) });
    requests.settle(membership);
    for await (const update of membership.updates) {
      if (membership.settings !== settings) hold(join.group, (settings = membership.settings), caller);
      yield* toMessages(update, session, bytesMax);
      requests.proceed();
    }
  } catch (error) {
    // What ended the call, and so the membership.
    caller.signal.throwIfAborted();
    throw error;
  } finally {
    stop.removeEventListener('abort', onStop);
    requests.end();
    // Also where the loop was never entered.
    over.abort(new CancelledError('the call has ended'));
  }
}

/** The call of the member as long as it is served. */
function contextOf({ signal, deadlineMs, principal, trace }: Caller, over: AbortSignal): CallContext {
  const ends = AbortSignal.any([signal, over]);
  setMaxListeners(0, ends); // one for each request to NATS that waits
  return { signal: ends, deadlineMs, principal, trace };
}

function joinedOf({ member, storeId, settings }: Membership) {
  return { member, storeId, settings: toProtoSettings(settings) };
}

function* toMessages(update: MemberUpdate, session: Session, bytesMax: number): Generator<Buffer, void> {
  switch (update.kind) {
    case 'deliveries':
      yield* toDeliveryMessages(update.deliveries, bytesMax);
      return;
    case 'assigned':
      yield notice({ $case: 'assigned', value: { lanes: [...update.lanes] } });
      return;
    case 'revoked': {
      const { timeoutMs } = update;
      const timeout = timeoutMs === undefined ? undefined : toDuration(timeoutMs);
      yield notice({ $case: 'revoked', value: { lanes: [...update.lanes], timeout } });
      return;
    }
    case 'refused': {
      const error = toRpcStatus(session.recognise(update.error), session.caller.requestId);
      yield notice({ $case: 'refused', value: { delivery: update.delivery, error } });
      return;
    }
    case 'heartbeat':
      yield notice({ $case: 'heartbeat', value: { headPosition: update.head } });
      return;
    case 'caughtUp':
    case 'draining':
      yield notice({ $case: update.kind, value: {} });
  }
}

function notice(value: NonNullable<ConsumeResponse['notice']>): Buffer {
  return encodePart(ConsumeResponse, { notice: value });
}
