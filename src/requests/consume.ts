import type {
  Ack,
  ConsumeRequest,
  Join,
  Park,
  Retry,
  Skip,
} from '../../generated/sluice/v1/consumer_group_service';
import type { Limits } from '../limits';
import type { Failed, JoinCommand, SaidId } from '../store/consumer-groups';
import { InvalidRequestError } from '../store/errors';
import { countWithin, duration, groupName } from './field-checks';
import { excess, Findings } from './findings';

/** What a member says after it has joined. */
export type MemberSays =
  | { readonly kind: 'ack' | 'extend'; readonly deliveries: readonly SaidId[] }
  | { readonly kind: 'fail'; readonly delivery: SaidId; readonly handled: number; readonly failed: Failed }
  | { readonly kind: 'leave' };

const inFlightDefault = 64;
const delayMaxMs = 3_600_000;
const reasonBytesMax = 1_000;

/** The first request of a member. Throws InvalidRequestError. */
export function parseJoin({ request }: ConsumeRequest, limits: Limits): JoinCommand {
  if (request?.$case !== 'join')
    throw new InvalidRequestError([{ field: 'join', description: 'is required in the first request' }]);
  return joinCommand(request.value, limits);
}

function joinCommand({ group, member, ...join }: Join, limits: Limits): JoinCommand {
  const findings = new Findings();
  findings.enter('join');
  const inFlight = { min: 1, max: limits.memberInFlightMax };
  const interval = { minMs: limits.heartbeatIntervalMinMs, maxMs: limits.heartbeatIntervalMaxMs };
  const { maxInFlight, heartbeatInterval } = join;
  const command = {
    group: groupName(group, findings),
    member: member === '' ? undefined : groupName(member, findings, 'member'),
    inFlightMax: countWithin(
      maxInFlight || Math.min(inFlightDefault, inFlight.max),
      'max_in_flight',
      inFlight,
      findings,
    ),
    heartbeatMs: heartbeatInterval && duration(heartbeatInterval, 'heartbeat_interval', interval, findings),
  };
  findings.throwIfAny();
  return command;
}

/** Every later request. Throws InvalidRequestError. */
export function parseMemberRequest({ request }: ConsumeRequest, limits: Limits): MemberSays {
  switch (request?.$case) {
    case 'ack':
    case 'extend':
      return { kind: request.$case, deliveries: deliveriesOf(request.$case, request.value, limits) };
    case 'retry':
      return failure(request.value, { kind: 'retry', ...retryOf(request.value) });
    case 'park':
      return failure(request.value, { kind: 'park', reason: cut(request.value.reason) });
    case 'skip':
      return failure(request.value, { kind: 'skip' });
    case 'leave':
      return { kind: 'leave' };
    case 'join':
      throw new InvalidRequestError([{ field: 'join', description: 'may only be in the first request' }]);
    case undefined:
      throw new InvalidRequestError([{ field: 'request', description: 'is required' }]);
  }
}

function deliveriesOf(
  field: 'ack' | 'extend',
  { deliveries }: Ack,
  { memberInFlightMax }: Limits,
): readonly bigint[] {
  if (deliveries.length <= memberInFlightMax) return deliveries;
  const description = excess(deliveries.length, 'deliveries', memberInFlightMax);
  throw new InvalidRequestError([{ field: `${field}.deliveries`, description }]);
}

function failure({ delivery, handled }: Skip, failed: Failed): MemberSays {
  return { kind: 'fail', delivery, handled, failed };
}

function retryOf({ delay, reason }: Retry): {
  readonly delayMs: number | undefined;
  readonly reason: string;
} {
  const findings = new Findings();
  findings.enter('retry');
  const delayMs = delay && duration(delay, 'delay', { minMs: 0, maxMs: delayMaxMs }, findings);
  findings.throwIfAny();
  return { delayMs, reason: cut(reason) };
}

/** What is kept of a reason. */
function cut(reason: Park['reason']): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= reasonBytesMax) return reason;
  let end = reasonBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not within a character
  return bytes.toString('utf8', 0, end);
}
