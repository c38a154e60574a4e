import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../../limits';
import { StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { StreamInfo } from '../nats/api';
import type { LogInfo } from './log-info';

/** Followers elect another leader 4 seconds after they last heard of theirs, at the earliest; they answer it every second. */
const heardMaxMs = 3_000;
const nanosPerMs = 1_000_000;
const pauseMs = 100;

/** The log as who leads it for certain knows it: asked again until it is one. Throws StoreUnavailableError. */
export async function askLeader(
  ask: (call: CallContext) => Promise<LogInfo>,
  { readProgressTimeoutMs }: Pick<Limits, 'readProgressTimeoutMs'>,
  call: CallContext,
): Promise<LogInfo> {
  const giveUpMs = Math.min(call.deadlineMs, Date.now() + readProgressTimeoutMs);
  for (;;) {
    const found = await ask(call);
    if (leadsForCertain(found.info)) return found;
    if (Date.now() > giveUpMs)
      throw new StoreUnavailableError('the leader of the log is cut off from the other servers that keep it');
    await sleep(pauseMs);
    call.signal.throwIfAborted();
  }
}

/**
 * Whether who tells of a stream leads it for certain: a majority has answered it so lately that there cannot be another leader yet.
 * One that was cut off from the others told of an old end for 13 seconds after they had elected another one.
 */
export function leadsForCertain({ config, cluster }: Pick<StreamInfo, 'config' | 'cluster'>): boolean {
  const servers = Number(config['num_replicas'] ?? 1);
  if (servers <= 1) return true;
  if ((cluster?.leader ?? '') === '') return false;
  // 0: it has not been heard of since the leader was elected.
  const isHeard = (active = 0): boolean => active > 0 && active < heardMaxMs * nanosPerMs;
  const heard = (cluster?.replicas ?? []).filter(({ active }) => isHeard(active)).length;
  return 1 + heard > servers / 2;
}
