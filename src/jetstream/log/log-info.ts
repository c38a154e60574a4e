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
  readonly info: StreamInfo;
}

/** Asks the leader, and lets the health of the log take note of the answer. */
export async function logInfo(
  { pool, stream, limits, health }: LogAccess,
  call: CallContext,
  link: Link = pool.read(),
): Promise<LogInfo> {
  const { end } = health;
  const info = await streamInfo(link, stream.name, undefined, within(call, limits.requestTimeoutMs));
  health.noteInfo(info, end);
  return { sequence: toSequence(info.state.last_seq), info };
}
