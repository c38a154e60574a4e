import { CompactingMap } from '../collections/compacting-map';
import { StoreUnavailableError } from '../store/errors';
import type { CallScope } from './call-scope';

/** Calls that append nothing, to be ended together. A list of listeners of one AbortSignal would take more for each. */
export class OpenCalls {
  /** Each by a number of its own, since the map keeps deleted keys for a while. */
  private readonly scopes = new CompactingMap<number, CallScope>();
  private begun = 0;
  private isOver = false;

  /** Returns the number by which the call is deleted. Once all are ended, it ends at once. */
  add(scope: CallScope): number {
    if (this.isOver) stop(scope);
    else this.scopes.set(this.begun, scope);
    return this.begun++;
  }

  delete(number: number): void {
    this.scopes.delete(number);
  }

  /** Waits for a call that does not watch its signal: until its work is done, or it is aborted. */
  async run(scope: CallScope, work: () => Promise<void>): Promise<void> {
    const number = this.add(scope);
    try {
      scope.throwIfAborted();
      await Promise.race([work(), aborted(scope.signal)]);
    } finally {
      this.delete(number);
    }
  }

  readonly end = (): void => {
    this.isOver = true;
    for (const scope of this.scopes.values()) stop(scope);
  };
}

function stop(scope: CallScope): void {
  scope.abort(new StoreUnavailableError('the gateway is stopping'));
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}
