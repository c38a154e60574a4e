import { framingBytesMax, headerRoomBytes } from './commit-codec';
import type { StoreContext } from './store-context';

/** Bytes of events that fit into one NATS message. */
export function bodyBytesLimit({ messageSize }: StoreContext): number {
  return Math.max(0, messageSize.bytesMax - headerRoomBytes);
}

/** Bytes of one event as stored: it must fit into one NATS message. */
export function eventBytesLimit(context: StoreContext): number {
  return Math.max(0, Math.min(context.limits.eventBytesMax, bodyBytesLimit(context) - framingBytesMax));
}
