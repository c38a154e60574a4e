import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A generated message type, as far as encoding goes. */
export interface Encodable<Message> {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
}

/** Reused for every message: a new one costs more than most messages. */
let writer = new BinaryWriter();

export function encode<Message>(type: Encodable<Message>, message: Message): Buffer {
  try {
    const { buffer, byteOffset, length } = type.encode(message, writer).finish();
    return Buffer.from(buffer, byteOffset, length);
  } catch (error) {
    writer = new BinaryWriter(); // the old one has a part of the message
    throw error;
  }
}
