import type { UnreadableMessage as ProtoUnreadableMessage } from '../../generated/sluice/v1/event_store_service';

/** A message of the store that cannot be read as a commit, or messages that are missing. */
export interface UnreadableMessage {
  /** Its position; of missing messages, that of the last. */
  readonly position: bigint;
  /** Its stream, or the end of its subject if that is not the name of a stream; empty for missing messages. */
  readonly stream: string;
  /** What is wrong with it, for people. */
  readonly reason: string;
}

/** What a read does with messages that cannot be read. */
export interface UnreadableOptions {
  /**
   * If given, the loop skips messages that cannot be read and calls this for each; it waits for the promise that this returns.
   * Left out: the loop fails there with UnreadableCommitError.
   */
  readonly onUnreadable?: ((message: UnreadableMessage) => void | Promise<void>) | undefined;
}

export async function reportUnreadable(
  { onUnreadable }: UnreadableOptions,
  messages: readonly ProtoUnreadableMessage[],
): Promise<void> {
  for (const { position, stream, reason } of messages) await onUnreadable?.({ position, stream, reason });
}
