import { createFileRegistry, fromBinary, type DescMessage } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { WireType, type BinaryReader } from '@bufbuild/protobuf/wire';
import { fileDescriptorSet } from '../../generated/descriptors';

/** Which fields of a message hold messages, by number. */
interface Shape {
  readonly within: Map<number, Shape>;
}

const shapes = new Map<DescMessage, Shape>();
const requestShapes = new Map<string, Shape>();
for (const described of createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')),
)) {
  if (described.kind !== 'service') continue;
  for (const { name, input } of described.methods) {
    requestShapes.set(`/${described.typeName}/${name}`, shapeOf(input));
  }
}

function shapeOf(message: DescMessage): Shape {
  const known = shapes.get(message);
  if (known !== undefined) return known;
  const within = new Map<number, Shape>();
  const shape = { within };
  shapes.set(message, shape); // first, because a message may hold itself
  for (const field of message.fields) {
    const held = field.message && shapeOf(field.message);
    if (field.fieldKind === 'map') {
      const value = 2;
      within.set(field.number, { within: new Map(held && [[value, held]]) });
    } else if (held !== undefined) within.set(field.number, held);
  }
  return shape;
}

/**
 * Checks that every message of a request ends where its length says, and that every tag is one. Generated code does
 * not look: it would take the rest of a message for fields of the one around it. `path` names the RPC as gRPC does.
 * Throws an Error that says where.
 */
export function checkFraming(reader: BinaryReader, path: string): void {
  const shape = requestShapes.get(path);
  if (shape === undefined) throw new Error(`no RPC has the path ${path}`);
  checkMessage(reader, reader.len, shape);
}

function checkMessage(reader: BinaryReader, end: number, { within }: Shape): void {
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else {
      const length = reader.uint32();
      const held = within.get(field);
      // `skip` would make a view of every text.
      if (held === undefined) reader.pos += length;
      else checkMessage(reader, reader.pos + length, held);
    }
  }
  if (reader.pos !== end) throw new RangeError(`a message has to end at byte ${end}, within a field`);
}
