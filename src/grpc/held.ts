/** Bytes that callers have sent and that no handler has taken yet. */
export interface Held {
  heldBytes: number;
}

/** The bytes held for one connection. */
export interface HeldOfConnection extends Held {
  /** Resolves when its last message so far is inflated. */
  inflating: Promise<unknown> | undefined;
}
