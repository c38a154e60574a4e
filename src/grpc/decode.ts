import { isUtf8 } from 'node:buffer';
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Limits } from '../limits';
import { InvalidRequestError } from '../store/errors';
import { TextReader } from '../protobuf/text-reader';
import { checkFraming } from './framing';

/** A generated message type, as far as decoding goes. */
export interface MessageType<Message> {
  decode(input: BinaryReader): Message;
}

/** The bytes of a request are not a message of its type. */
export class UndecodableError extends InvalidRequestError {}

/**
 * Decodes a request to the RPC that gRPC calls `path`. Throws InvalidRequestError for too many elements, and UndecodableError for
 * bytes that are not such a message, or text that is not UTF-8.
 */
export function decodeRequest<Message>(
  type: MessageType<Message>,
  bytes: Uint8Array,
  path: string,
  limits: Limits,
): Message {
  return withReason(() => {
    checkFraming(bytes, path, limits);
    return type.decode(new StrictReader(bytes));
  });
}

/** Decodes a part of a message that `checkMessage` has checked. Throws UndecodableError. */
export function decodePart<Message>(type: MessageType<Message>, bytes: Uint8Array): Message {
  return withReason(() => type.decode(new StrictReader(bytes)));
}

/** The checks that decodeRequest makes before it decodes. */
export function checkMessage(bytes: Uint8Array, path: string, limits: Limits): void {
  withReason(() => {
    checkFraming(bytes, path, limits);
  });
}

function withReason<Result>(decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    throw undecodable(error);
  }
}

/** What a decoder has thrown, for the caller whose bytes it got: they are its only input. */
export function undecodable(error: unknown): InvalidRequestError {
  if (error instanceof InvalidRequestError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const description = `is not a valid protobuf message: ${reason}`;
  return new UndecodableError([{ field: 'request', description }]);
}

const replacementCharacter = '\ufffd';

/** Refuses text that is not UTF-8, which the generated code would silently replace. */
class StrictReader extends TextReader {
  protected override toText(message: Uint8Array, start: number, end: number): string {
    const text = super.toText(message, start, end);
    // Text without a replacement character is valid; all other text needs the exact check.
    if (text.includes(replacementCharacter) && !isUtf8(message.subarray(start, end)))
      throw new RangeError('text that is not UTF-8');
    return text;
  }
}
