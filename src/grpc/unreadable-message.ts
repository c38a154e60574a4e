import type { UnreadableMessage as ProtoUnreadableMessage } from '../../generated/sluice/v1/event_store_service';
import type { UnreadableMessage } from '../store/store-info';

/** A subject of NATS may be longer than a message of gRPC has room for, a thousand times. */
const nameCharsMax = 256;

export function toUnreadableMessage(message: UnreadableMessage): ProtoUnreadableMessage {
  const { position, stream, reason } = message;
  return { position, stream: stream.slice(0, nameCharsMax), reason };
}
