/** Something to send on one connection. */
export interface Outgoing {
  send(): void;
  /** Takes the error of `send`, or that of the outbox. */
  refuse(error: Error): void;
}

/**
 * What is to be sent in one turn of the event loop goes to the socket in one write at its end: with a write for each
 * message, the gateway spends a quarter of its time in them.
 */
export interface Outbox {
  readonly add: (message: Outgoing) => void;
  /** Sends what waits at once. */
  readonly flush: () => void;
  /** Refuses what waits. */
  readonly fail: (error: Error) => void;
}

/** `onSent` is called when all that waited was told to send. */
export function openOutbox(onSent: () => void): Outbox {
  let waiting: Outgoing[] = [];
  const takeAll = (): Outgoing[] => {
    const all = waiting;
    waiting = [];
    return all;
  };
  const flush = (): void => {
    for (const message of takeAll()) {
      try {
        message.send();
      } catch (error) {
        message.refuse(error as Error);
      }
    }
    onSent();
  };
  return {
    add(message) {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push(message);
    },
    flush,
    fail(error) {
      for (const message of takeAll()) message.refuse(error);
    },
  };
}
