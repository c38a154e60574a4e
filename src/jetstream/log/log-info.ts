import type { CallContext } from '../../store/event-store';
import { streamInfo, type StreamInfo } from '../nats/api';
import type { Link } from '../nats/link';
import { within, type StoreContext } from './store-context';

/** The log as its leader knows it. */
export interface LogInfo {
  /** Its end; 0 if nothing was ever stored. */
  readonly sequence: bigint;
  readonly info: StreamInfo;
}

/** The health of the log knows it then, too. */
export async function logInfo(
  { pool, log, limits, health }: StoreContext,
  call: CallContext,
  link: Link = pool.read(),
): Promise<LogInfo> {
  const { end } = health;
  const info = await streamInfo(link, log.name, undefined, within(call, limits.requestTimeoutMs));
  health.noteInfo(info, end);
  return { sequence: BigInt(info.state.last_seq), info };
}
