/** Why new commits do not come. */
export interface Trouble {
  /** "" while they come. */
  readonly now: string;
  /** The same, and for a minute more: who looks for it comes later. */
  readonly lately: string;
  met(reason: string): void;
  over(): void;
}

const toldMs = 60_000;

export function createTrouble(): Trouble {
  let now = '';
  let lately = '';
  let metMs = 0;
  let wasWell = false;
  return {
    get now() {
      return now;
    },
    get lately() {
      return lately;
    },
    met(reason) {
      now = lately = reason;
      metMs = Date.now();
    },
    over() {
      now = '';
      // What delayed the start is over once it has begun.
      if (!wasWell || Date.now() - metMs > toldMs) lately = '';
      wasWell = true;
    },
  };
}
