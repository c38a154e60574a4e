import { BinaryWriter, type BinaryReader } from '@bufbuild/protobuf/wire';
import { TextReader } from '../protobuf/text-reader';

/** A generated message type that can encode. */
interface RequestType<Message> {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
}

/** A generated message type that can decode. */
export interface ResponseType<Message> {
  decode(reader: BinaryReader): Message;
}

/** The message of a response. Throws the error of the generated code for bytes that are not such a message. */
export function decode<Message>(type: ResponseType<Message>, bytes: Uint8Array): Message {
  return type.decode(new TextReader(bytes));
}

/** The bytes of a request. Throws a TypeError for a value that is not a string, and for text that UTF-8 cannot express. */
export function encode<Message>(type: RequestType<Message>, message: Message): Uint8Array {
  return written((writer) => type.encode(message, writer));
}

/** The generated code alone would silently change values that are not strings, and text that UTF-8 cannot express. */
class TextWriter extends BinaryWriter {
  override string(text: unknown): this {
    if (typeof text !== 'string') throw new TypeError(`text must be a string, not ${typeof text}`);
    if (!text.isWellFormed())
      throw new TypeError(`text contains half of a surrogate pair: ${JSON.stringify(text.slice(0, 60))}`);
    return super.string(text);
  }
}

/** A writer whose memory the next request reuses. */
let spare: BinaryWriter | undefined;
const spareBytesMax = 64 << 10;

/** The bytes that `write` writes. Throws a TypeError like `encode`. */
export function written(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = spare ?? new TextWriter();
  spare = undefined; // a failed write leaves it in the middle of a message
  write(writer);
  const bytes = writer.finish();
  if (bytes.length <= spareBytesMax) spare = writer;
  return bytes;
}
