import { isUtf8 } from 'node:buffer';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { InvalidRequestError } from '../store/errors';
import { checkFraming } from './framing';

/** A generated message type, as far as decoding goes. */
export interface MessageType<Message> {
  decode(input: BinaryReader): Message;
}

/**
 * Decodes a request to the RPC that gRPC calls `path`. Bytes that are not such a message, or text that is not UTF-8,
 * are an InvalidRequestError.
 */
export function decodeRequest<Message>(type: MessageType<Message>, bytes: Uint8Array, path: string): Message {
  try {
    checkFraming(new BinaryReader(bytes), path);
    return type.decode(new BinaryReader(bytes, strictUtf8));
  } catch (error) {
    // Whatever a decoder throws comes from the bytes: it has no other input.
    const reason = error instanceof Error ? error.message : String(error);
    const description = `is not a valid protobuf message: ${reason}`;
    throw new InvalidRequestError([{ field: 'request', description }]);
  }
}

const replacementCharacter = '\ufffd';

/** Text that shows no replacement character was fine; only then does the exact check cost anything. */
function strictUtf8(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (text.includes(replacementCharacter) && !isUtf8(bytes)) throw new RangeError('text that is not UTF-8');
  return text;
}
