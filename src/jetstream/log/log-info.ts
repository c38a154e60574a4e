import { toSequence } from '../nats/message';
import type { Sequence } from '../../store/values';
import type { CallContext } from '../../store/event-store';
import { streamInfo, type StreamInfo } from '../nats/api';
import type { Link } from '../nats/link';
import { within } from './bounded-call';
import type { LogAccess } from './log-access';

/** The log according to its leader. */
export interface LogInfo {
  /** Its end; 0 if nothing was ever stored. */
  readonly sequence: Sequence;
  /** How many of its messages are lost. */
  readonly lost: bigint;
  readonly info: StreamInfo;
}

/** Asks the leader, and lets the health of the log take note of the answer. */
export async function logInfo(
  log: LogAccess,
  call: CallContext,
  link: Link = log.pool.read(),
): Promise<LogInfo> {
  const { stream, limits, health } = log;
  const { end } = health;
  const ask = (): Promise<StreamInfo> =>
    streamInfo(link, stream.name, undefined, within(call, limits.requestTimeoutMs));
  const { info, lost } = await log.lost.of(await ask(), ask, call);
  health.noteInfo(info, lost, end);
  return { sequence: toSequence(info.state.last_seq), lost, info };
}
