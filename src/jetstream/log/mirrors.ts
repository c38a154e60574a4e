import { NotPermittedError } from '../../store/errors';
import { callApi, type StreamConfig } from '../nats/api';
import { toStoreError } from '../nats/errors';
import type { Logger } from 'pino';
import { endless, within } from './bounded-call';
import type { LogAccess } from './log-access';
import type { LogHealth } from './log-health';

interface StreamList {
  readonly total: number;
  readonly streams: readonly { readonly config: StreamConfig }[] | null;
}

/** A listing goes to every server of a cluster, so all callers within this time share one. */
const listingAgeMaxMs = 10_000;
const pagesMax = 40;
/** A cluster waits longer for a server that is down; the gateway does not. */
const listingTimeoutMs = 2_000;
const listedAtMs = new WeakMap<LogHealth, number>();

/**
 * Looks for streams of the account that mirror the log. Without the permission to list streams, the gateway only knows mirrors
 * that reply in place of the log.
 */
export async function lookForMirrors(
  { pool, stream, health, limits }: LogAccess,
  logger: Logger,
): Promise<void> {
  const listed = listedAtMs.get(health) ?? -Infinity;
  if (performance.now() - listed < Math.min(listingAgeMaxMs, limits.mirrorsIntervalMs)) return;
  listedAtMs.set(health, performance.now());
  try {
    const mirrors: string[] = [];
    for (let offset = 0, page = 0; page < pagesMax; page++) {
      const options = within(endless, listingTimeoutMs);
      const { total, streams } = await callApi<StreamList>(pool.append(), 'STREAM.LIST', { offset }, options);
      for (const { config } of streams ?? []) if (mirrorOf(config) === stream.name) mirrors.push(config.name);
      offset += streams?.length ?? 0;
      if (offset >= total || streams?.length === 0) break;
    }
    health.setMirrors(mirrors);
  } catch (error) {
    const err = toStoreError(error);
    // NATS logs each refusal, so the gateway does not ask again.
    if (err instanceof NotPermittedError) listedAtMs.set(health, Infinity);
    logger.debug({ err }, 'whether streams mirror the log cannot be seen');
  }
}

/** Looks for mirrors now, and every `mirrorsIntervalMs` until it is closed: somebody may make one at any time. */
export async function watchMirrors(log: LogAccess, logger: Logger): Promise<{ close(): Promise<void> }> {
  await lookForMirrors(log, logger);
  const timer = setInterval(() => void lookForMirrors(log, logger), log.limits.mirrorsIntervalMs).unref();
  return {
    close() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}

/** The stream of this account that another one mirrors. */
function mirrorOf({ mirror }: StreamConfig): string | undefined {
  const { name, external } = (mirror ?? {}) as { readonly name?: string; readonly external?: object };
  return external === undefined ? name : undefined;
}
