/** The codes of KeyError; their meaning never changes. docs/errors.md explains them. */
export type KeyErrorCode =
  /** The key store has no key of this id, and does not know it as forgotten either: it is another key store, or an old copy. */
  | 'KEY_UNKNOWN'
  /** The key is there, but the payload or what identifies the event was changed, or the payload belongs to another event. */
  | 'DECRYPTION_FAILED'
  /** The event is marked as encrypted, but not in a form that this version knows. */
  | 'ENVELOPE_INVALID'
  /** The key store cannot be reached or read now. A retry may help. */
  | 'KEY_STORE_UNAVAILABLE'
  /** Others may read the key store, or it is not configured so that keys can be destroyed. */
  | 'KEY_STORE_UNSAFE'
  /** A record of the key store is not one. */
  | 'KEY_STORE_DAMAGED'
  /** The key is wrapped by a master key that was not given, or by another one. */
  | 'KEY_STORE_LOCKED'
  /** The subject was forgotten too often: see `forgottenKeysMax`. */
  | 'KEY_LIMIT_REACHED';

/** The event that an error is about. */
export interface EventPlace {
  readonly stream: string;
  readonly version: bigint;
  readonly position: bigint;
}

/** Keys, or an encrypted event, cannot be used. `code` says why; the message is for people and never has a key in it. */
export class KeyError extends Error {
  /** The event that could not be decrypted; undefined: the error is not about a stored event. */
  readonly event: EventPlace | undefined;

  constructor(
    readonly code: KeyErrorCode,
    message: string,
    { event, ...options }: ErrorOptions & { readonly event?: EventPlace | undefined } = {},
  ) {
    super(message, options);
    this.name = 'KeyError';
    this.event = event;
  }
}
