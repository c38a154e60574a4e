/** Bytes that callers have sent and that no handler has taken yet. */
export interface Held {
  heldBytes: number;
}

/** The bytes held for one connection. */
export interface HeldOfConnection extends Held {
  /** Its requests come over HTTP, where it is bounded how long they take: one in JSON begins here when all of it has come. */
  readonly isRelayed: boolean;
  /** Resolves when its last message so far is inflated. */
  inflating: Promise<unknown> | undefined;
}
