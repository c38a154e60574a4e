import { logInfo } from '../log/log-info';
import type { LogObservation, LogObserver } from '../log/log-observation';
import { leaderOf, type StreamInfo } from '../nats/api';
import { parseTime } from '../nats/message';
import type { CommitSizes } from '../log/commit-sizes';
import type { LogAccess } from '../log/log-access';
import { checkPeriodically, type PeriodicCheck } from '../log/periodic-check';
import type { Space } from '../log/space';

const nanosPerMs = 1_000_000;

/**
 * Watches the leader and the clock of the log for `observer`, its free space, the largest message that it takes, and whether
 * messages are missing. Resolves after the first check.
 */
export function watchLog(
  log: LogAccess,
  space: Space,
  sizes: CommitSizes,
  observer: LogObserver,
): Promise<PeriodicCheck> {
  const { pool, health } = log;
  health.onDoubt(() => {
    observer.lose();
  });

  async function check(signal: AbortSignal): Promise<void> {
    const { doubts } = health;
    const startedMs = performance.now();
    const { info } = await logInfo(log, { signal, deadlineMs: Infinity }, pool.append());
    sizes.message.take(info.config);
    space.setSize(info.state.bytes, info.config['max_bytes']);
    // An answer to a request from before a connection changed says nothing about the server behind it now.
    if (doubts === health.doubts) observer.observe(toObservation(info, startedMs));
  }

  return checkPeriodically(check, () => {
    health.doubt();
  });
}

function toObservation(info: StreamInfo, startedMs: number): LogObservation {
  const { config, ts } = info;
  const monotonicMs = performance.now();
  const nowMs = Date.now();
  return {
    windowMs: Number(config['duplicate_window'] ?? 0) / nanosPerMs,
    log: leaderOf(info),
    serverMs: Number(parseTime(ts)) / nanosPerMs,
    nowMs,
    monotonicMs,
    tookMs: monotonicMs - startedMs,
  };
}
