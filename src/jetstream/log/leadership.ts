import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../../limits';
import { StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { StreamInfo } from '../nats/api';
import type { LogInfo } from './log-info';

/** Followers elect another leader no earlier than 4 seconds after they last heard from theirs, and reply to it every second. */
const heardMaxMs = 3_000;
const nanosPerMs = 1_000_000;
const pauseMs = 100;

/** The log according to a server that certainly leads it: asks until one does. Throws StoreUnavailableError. */
export async function askLeader(
  ask: (call: CallContext) => Promise<LogInfo>,
  { readProgressTimeoutMs }: Pick<Limits, 'readProgressTimeoutMs'>,
  call: CallContext,
): Promise<LogInfo> {
  const giveUpMs = Math.min(call.deadlineMs, performance.now() + readProgressTimeoutMs);
  for (;;) {
    const found = await ask(call);
    if (leadsForCertain(found.info)) return found;
    if (performance.now() > giveUpMs)
      throw new StoreUnavailableError('the leader of the log is cut off from the other servers that keep it');
    await sleep(pauseMs);
    call.signal.throwIfAborted();
  }
}

/**
 * Whether the server that describes a stream certainly leads it: a majority has replied to it so recently that there cannot be
 * another leader yet. A leader that was cut off from the others reported an old end for 13 seconds after their election of a new one.
 */
export function leadsForCertain({ config, cluster }: Pick<StreamInfo, 'config' | 'cluster'>): boolean {
  const servers = Number(config['num_replicas'] ?? 1);
  if (servers <= 1) return true;
  if ((cluster?.leader ?? '') === '') return false;
  // 0: no reply since the leader was elected.
  const isHeard = (active = 0): boolean => active > 0 && active < heardMaxMs * nanosPerMs;
  const heard = (cluster?.replicas ?? []).filter(({ active }) => isHeard(active)).length;
  return 1 + heard > servers / 2;
}
