/** Something to send over one connection. */
export interface Outgoing {
  send(): void;
  /** Gets the error of `send` or of the outbox. */
  refuse(error: Error): void;
}

/**
 * Collects the messages of one turn of the event loop and writes them to the socket at once at its end: with a write for each
 * message, the gateway would spend a quarter of its time on them.
 */
export interface Outbox {
  readonly add: (message: Outgoing) => void;
  /** Sends the waiting messages now. */
  readonly flush: () => void;
  /** Refuses the waiting messages. */
  readonly fail: (error: Error) => void;
}

/** `onSent` is called after `send` of all waiting messages. */
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
