/** Why new commits do not come. */
export interface Trouble {
  /** "" if there is nothing. */
  readonly reason: string;
  met(reason: string): void;
  over(): void;
}

/** So long it is told of, also when it is over: who looks for it comes later. */
const toldMs = 60_000;

export function createTrouble(): Trouble {
  let reason = '';
  let metMs = 0;
  let wasWell = false;
  return {
    get reason() {
      return reason;
    },
    met(what) {
      reason = what;
      metMs = Date.now();
    },
    over() {
      // What delayed the start is over once it has begun.
      if (!wasWell || Date.now() - metMs > toldMs) reason = '';
      wasWell = true;
    },
  };
}
