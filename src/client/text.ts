import { BinaryWriter, type BinaryReader } from '@bufbuild/protobuf/wire';
import { TextReader } from '../protobuf/text-reader';

/** A generated message type, as far as encoding goes. */
interface RequestType<Message> {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
}

/** A generated message type, as far as decoding goes. */
export interface ResponseType<Message> {
  decode(reader: BinaryReader): Message;
}

/** The message of a response. Throws what the generated code throws for bytes that are none. */
export function decode<Message>(type: ResponseType<Message>, bytes: Uint8Array): Message {
  return type.decode(new TextReader(bytes));
}

/** The bytes of a request. Throws a TypeError for what is not text, and for text that UTF-8 cannot express. */
export function encode<Message>(type: RequestType<Message>, message: Message): Uint8Array {
  return written((writer) => type.encode(message, writer));
}

/** The generated code alone would alter what is not text, or text that UTF-8 cannot express, without a word. */
class TextWriter extends BinaryWriter {
  override string(text: unknown): this {
    if (typeof text !== 'string') throw new TypeError(`text must be a string, not ${typeof text}`);
    if (!text.isWellFormed())
      throw new TypeError(`text with half of a surrogate pair: ${JSON.stringify(text.slice(0, 60))}`);
    return super.string(text);
  }
}

/** Keeps its room for the next one. */
let spare: BinaryWriter | undefined;
const spareBytesMax = 64 << 10;

/** What `write` writes. Throws a TypeError like `encode`. */
export function written(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = spare ?? new TextWriter();
  spare = undefined; // what fails leaves it in the middle of a message
  write(writer);
  const bytes = writer.finish();
  if (bytes.length <= spareBytesMax) spare = writer;
  return bytes;
}
