import type { Logger } from 'pino';
import { ReplicaFillingError } from '../../store/errors';
import type { FillingProgress } from '../../store/store-info';
import { position } from '../../store/values';

const retryDefaultMs = 1_000;
const retryMinMs = 250;
const retryMaxMs = 60_000;
const logIntervalMs = 5_000;

/** How far a replica is with the log, and how fast it fills. */
export class Filling {
  private startedMs = performance.now();
  private startedAt = 0n;

  constructor(private readonly now: () => { readonly applied: bigint; readonly end: bigint }) {}

  /** Begins to measure the speed. */
  start(): void {
    this.startedMs = performance.now();
    this.startedAt = this.now().applied;
  }

  get progress(): FillingProgress {
    const { applied, end } = this.now();
    const perMs = Number(applied - this.startedAt) / Math.max(1, performance.now() - this.startedMs);
    const left = Number(end > applied ? end - applied : 0n);
    const restMs = perMs > 0 ? Math.ceil(left / perMs) : undefined;
    return { applied: position(applied), end: position(end), restMs };
  }

  /** The error for a request that cannot wait until the replica is filled. */
  error(): ReplicaFillingError {
    return fillingErrorAt(this.progress);
  }
}

/** The error for a request that cannot wait until the replica is filled. */
export function fillingErrorAt({
  applied,
  end,
  restMs = retryDefaultMs,
}: FillingProgress): ReplicaFillingError {
  return new ReplicaFillingError(applied, end, Math.min(retryMaxMs, Math.max(retryMinMs, restMs)));
}

/** Logs the progress every 5 seconds while there is any. */
export function logFilling(logger: Logger, progress: () => FillingProgress | undefined): Disposable {
  const timer = setInterval(() => {
    const found = progress();
    if (found === undefined) return;
    const { applied, end, restMs } = found;
    const secondsLeft = restMs === undefined ? undefined : Math.ceil(restMs / 1_000);
    const facts = { applied: applied.toString(), end: end.toString(), secondsLeft };
    logger.info(facts, 'the replica of the log is being filled');
  }, logIntervalMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
