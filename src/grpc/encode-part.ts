import { encode, type Encodable } from './encode';

interface PartlyEncodable<Message> extends Encodable<Message> {
  fromPartial(fields: object): Message;
}

/** A message with these fields alone. */
export function encodePart<Message>(
  type: PartlyEncodable<Message>,
  fields: Partial<Message> & object,
): Buffer {
  return encode(type, type.fromPartial(fields));
}
