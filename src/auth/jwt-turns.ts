import { OverloadedError } from '../store/errors';

/** Bounds what runs and what waits. */
export class Turns {
  private running = 0;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly runningMax: number,
    private readonly waitingMax: number,
  ) {}

  /** Runs the work when it is its turn, in order of arrival. Rejects with OverloadedError if too many wait. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.runningMax) this.running++;
    else await this.turn();
    try {
      return await work();
    } finally {
      this.passOn();
    }
  }

  private turn(): Promise<void> {
    if (this.waiting.size >= this.waitingMax) {
      throw new OverloadedError('jwtsWaitingMax', 'too many tokens wait to be verified');
    }
    return new Promise((resolve) => this.waiting.add(resolve));
  }

  /** The next one takes the place over, so that nobody else can come between. */
  private passOn(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.running--;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
