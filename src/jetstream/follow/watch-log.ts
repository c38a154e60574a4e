import { setTimeout as sleep } from 'node:timers/promises';
import { leaderOf, type StreamInfo } from '../nats/api';
import { logInfo } from '../log/log-info';
import type { IdMemory, Sighting } from '../append/id-memory';
import { parseTime } from '../nats/message';
import type { StoreContext } from '../log/store-context';

/** Looks at the log once a second. */
export interface LogWatch {
  close(): Promise<void>;
}

const intervalMs = 1_000;
const nanosPerMs = 1_000_000;

/**
 * Watches what the server's memory of commit ids depends on, the room, the size of messages, and whether
 * messages of the log are gone. Resolves after the first look.
 */
export async function watchLog(store: StoreContext, ids: IdMemory): Promise<LogWatch> {
  const { pool, health, space, messageSize } = store;
  const stop = new AbortController();
  const { signal } = stop;
  health.onDoubt(() => {
    ids.lose();
  });

  async function look(): Promise<void> {
    const { doubts } = health;
    const startedMs = performance.now();
    const { info } = await logInfo(store, { signal, deadlineMs: Infinity }, pool.append());
    messageSize.take(info.config);
    space.see(info.state.bytes, info.config['max_bytes']);
    // What was asked before a connection changed says nothing of what is there now.
    if (doubts === health.doubts) ids.see(toSighting(info, startedMs));
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      await look().catch(() => {
        health.doubt();
      });
    }
  }

  await look();
  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}

function toSighting(info: StreamInfo, startedMs: number): Sighting {
  const { config, ts } = info;
  const steadyMs = performance.now();
  const nowMs = Date.now();
  return {
    windowMs: Number(config['duplicate_window'] ?? 0) / nanosPerMs,
    log: leaderOf(info),
    serverMs: Number(parseTime(ts)) / nanosPerMs,
    nowMs,
    steadyMs,
    tookMs: steadyMs - startedMs,
  };
}
