import type { UnreadableMessage as ProtoUnreadableMessage } from '../../generated/sluice/v1/event_store_service';

/** A place in the store that cannot be read as a commit. */
export interface UnreadableMessage {
  /** Its position; where messages of the store are gone, that of the last of them. */
  readonly position: bigint;
  /** Its stream, or what stands in the place of one; empty where messages are gone. */
  readonly stream: string;
  /** What is wrong with it, for people. */
  readonly reason: string;
}

/** What to do with what cannot be read. */
export interface UnreadableOptions {
  /**
   * Passes over what cannot be read, and is called for each of them. The loop waits for what it returns. Left out, the loop
   * fails there with UnreadableCommitError.
   */
  readonly onUnreadable?: ((message: UnreadableMessage) => void | Promise<void>) | undefined;
}

export async function tellUnreadable(
  { onUnreadable }: UnreadableOptions,
  messages: readonly ProtoUnreadableMessage[],
): Promise<void> {
  for (const { position, stream, reason } of messages) await onUnreadable?.({ position, stream, reason });
}
