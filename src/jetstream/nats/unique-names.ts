import { createInbox, nuid } from 'nats';

/** A name that no other process chooses. */
export function uniqueName(): string {
  return nuid.next();
}

/** A subject below `_INBOX` for answers, which nothing else subscribes to. */
export function uniqueInbox(): string {
  return createInbox();
}
