import type { UnreadableMessage as ProtoUnreadableMessage } from '../../generated/sluice/v1/event_store_service';
import type { UnreadableMessage } from '../store/store-info';

/** A response may have a thousand of them, and a subject of NATS may be long. */
const nameCharsMax = 256;

export function toUnreadableMessage(message: UnreadableMessage): ProtoUnreadableMessage {
  const { position, stream, reason } = message;
  return { position, stream: stream.slice(0, nameCharsMax), reason };
}
