import type { Logger } from 'pino';
import { ReplicaFillingError } from '../../store/errors';
import type { FillingProgress } from '../../store/store-info';
import { position } from '../../store/values';

const retryDefaultMs = 1_000;
const retryMinMs = 250;
const retryMaxMs = 60_000;
const tellMs = 5_000;

/** How far a replica has come with the log, and how fast it goes. */
export class Filling {
  private startedMs = Date.now();
  private startedAt = 0n;

  constructor(private readonly now: () => { readonly applied: bigint; readonly end: bigint }) {}

  /** It goes on from here. */
  start(): void {
    this.startedMs = Date.now();
    this.startedAt = this.now().applied;
  }

  get progress(): FillingProgress {
    const { applied, end } = this.now();
    const perMs = Number(applied - this.startedAt) / Math.max(1, Date.now() - this.startedMs);
    const left = Number(end > applied ? end - applied : 0n);
    const restMs = perMs > 0 ? Math.ceil(left / perMs) : undefined;
    return { applied: position(applied), end: position(end), restMs };
  }

  /** For those who cannot wait. */
  error(): ReplicaFillingError {
    const { applied, end, restMs = retryDefaultMs } = this.progress;
    return new ReplicaFillingError(applied, end, Math.min(retryMaxMs, Math.max(retryMinMs, restMs)));
  }
}

/** Says every 5 seconds how far it is, as long as there is something to say. */
export function logFilling(logger: Logger, progress: () => FillingProgress | undefined): Disposable {
  const timer = setInterval(() => {
    const found = progress();
    if (found === undefined) return;
    const { applied, end, restMs } = found;
    const secondsLeft = restMs === undefined ? undefined : Math.ceil(restMs / 1_000);
    const facts = { applied: applied.toString(), end: end.toString(), secondsLeft };
    logger.info(facts, 'the replica of the log is being filled');
  }, tellMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
