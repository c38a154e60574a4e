import {
  createFileRegistry,
  fromBinary,
  ScalarType,
  type DescField,
  type DescMessage,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { fileDescriptorSet } from '../../generated/descriptors';

/** What the contract says of its messages, read from its descriptors. */
const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')),
);

export interface ContractField {
  readonly name: string;
  readonly number: number;
  /** The scalar type, such as `uint64`, or the full name of the message or enum, or `map`. */
  readonly kind: string;
}

/** The fields of a message, by its full name. */
export function fieldsOf(message: string): ContractField[] {
  const found = registry.getMessage(message);
  if (found === undefined) throw new Error(`there is no message ${message}`);
  return found.fields.map(toField);
}

function toField(field: DescField): ContractField {
  const { name, number } = field;
  return { name, number, kind: field.fieldKind === 'map' ? 'map' : kindOf(field) };
}

/** Of a map, that of its values. */
function kindOf({ message, enum: enumeration, scalar }: DescField): string {
  return message?.typeName ?? enumeration?.typeName ?? ScalarType[scalar as ScalarType].toLowerCase();
}

/** A field within a request, and the way to it. */
export interface FieldPath {
  /** Names joined by ".", those of messages within included; a map has `key` and `value`. */
  readonly path: string;
  /** The fields from the request to it. */
  readonly numbers: readonly number[];
  readonly kind: string;
  /** Whether it may come several times; true for maps. */
  readonly isRepeated: boolean;
  /** The full name of the message that it belongs to. */
  readonly message: string;
}

/** Every field of every request, also of the messages within, by the name of the RPC. */
export function requestFields(
  of: 'EventStoreService' | 'ConsumerGroupService' | 'StreamService' = 'EventStoreService',
): ReadonlyMap<string, readonly FieldPath[]> {
  const service = registry.getService(`sluice.v1.${of}`);
  if (service === undefined) throw new Error('there is no service');
  return new Map(service.methods.map(({ name, input }) => [name, [...pathsOf(input, '', [])]]));
}

function* pathsOf(message: DescMessage, prefix: string, before: readonly number[]): Generator<FieldPath> {
  for (const field of message.fields) {
    const { name, number, kind } = toField(field);
    const path = `${prefix}${name}`;
    const numbers = [...before, number];
    const isRepeated = ['list', 'map'].includes(field.fieldKind);
    yield { path, numbers, kind, isRepeated, message: message.typeName };
    if (field.fieldKind === 'map') {
      const inEntry = { isRepeated: false, message: `${message.typeName}.${name}` };
      const keyKind = ScalarType[field.mapKey].toLowerCase();
      yield { path: `${path}.key`, numbers: [...numbers, 1], kind: keyKind, ...inEntry };
      yield { path: `${path}.value`, numbers: [...numbers, 2], kind: kindOf(field), ...inEntry };
    } else if (field.message !== undefined) yield* pathsOf(field.message, `${path}.`, numbers);
  }
}
