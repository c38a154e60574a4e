import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A generated message type, as far as encoding goes. */
export interface Encodable<Message> {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
}

/** Used again for every message: a new one costs more than most messages. */
let writer = new BinaryWriter();

export function encode<Message>(type: Encodable<Message>, message: Message): Buffer {
  try {
    const { buffer, byteOffset, length } = type.encode(message, writer).finish();
    return Buffer.from(buffer, byteOffset, length);
  } catch (error) {
    writer = new BinaryWriter(); // what was written so far stands in the old one
    throw error;
  }
}
