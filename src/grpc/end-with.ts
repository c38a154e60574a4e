import { status, type Metadata } from '@grpc/grpc-js';
import { innerOf } from './request-bytes';

const ok = { code: status.OK, details: 'OK' };

/**
 * Sends a message and the end of the call in one write. grpc-js would send the end after the message has left, with a second
 * write in a later iteration of the event loop. `onSent` is called when both have left.
 */
export function endWith(
  call: object,
  message: Buffer,
  trailers: Metadata | undefined,
  onSent: () => void,
): void {
  const inner = innerOf(call);
  inner.sendMessage(message, onSent);
  inner.sendStatus(trailers === undefined ? ok : { ...ok, metadata: trailers });
}
