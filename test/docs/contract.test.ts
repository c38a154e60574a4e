import { createFileRegistry, fromBinary, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { fileDescriptorSet } from '../../generated/descriptors';
import { defaultLimits } from '../../src/limits';
import { document, tableRows } from './markdown';

/** The table of docs/contract.md has every field of every request, and says of the right ones that absent is different. */

const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')),
);

const code = (text: string): string => `\`${text}\``;

/** The fields of a message of the contract and of the messages within, each message once. */
function fieldsOf(message: DescMessage, found = new Map<string, DescField>()): Map<string, DescField> {
  if (!message.typeName.startsWith('sluice.v1.')) return found;
  for (const field of message.fields) {
    const name = code(`${message.name}.${field.name}`);
    if (found.has(name)) continue;
    found.set(name, field);
    if (field.message !== undefined) fieldsOf(field.message, found);
  }
  return found;
}

const services = ['EventStoreService', 'ConsumerGroupService', 'StreamService'].map(
  (name) => `sluice.v1.${name}`,
);
const requests = services.flatMap(
  (name) => registry.getService(name)?.methods.map(({ input }) => input) ?? [],
);
const fields = new Map(requests.flatMap((input) => [...fieldsOf(input)]));
const rows = tableRows(document('docs/contract.md'));

test('docs/contract.md has every field of every request, once', () => {
  expect(fields.size).toBeGreaterThan(130);
  expect(rows.map(([name]) => name).sort()).toEqual([...fields.keys()].sort());
});

test.each(rows)('%s means "%s" if it is 0, and absent "%s"', (name, _zero, absent) => {
  const field = fields.get(name) as DescField;
  const isScalar = field.fieldKind === 'scalar' || field.fieldKind === 'enum';
  const canBeAbsent = field.presence === FeatureSet_FieldPresence.EXPLICIT;
  // Only a message may have a presence that says nothing.
  if (isScalar) expect(absent === 'the same').toBe(!canBeAbsent);
  else if (!canBeAbsent) expect(absent).toBe('the same');
});

test('the comment of a field that can be absent says what that means', () => {
  const optional = [...fields].filter(
    ([, { presence, oneof, fieldKind }]) =>
      presence === FeatureSet_FieldPresence.EXPLICIT && oneof === undefined && fieldKind === 'scalar',
  );
  expect(optional.length).toBeGreaterThan(6);
  for (const [name, field] of optional)
    expect([name, commentOf(field)]).toEqual([name, expect.stringMatching(/Absent: /)]);
});

test.each([
  ['Event.id', defaultLimits.idCharsMax],
  ['Event.type', defaultLimits.labelBytesMax],
  ['Event.tags', defaultLimits.tagsMax],
  ['Event.metadata', defaultLimits.metadataEntriesMax],
  ['Event.metadata', defaultLimits.metadataBytesMax],
  ['ReadStreamRequest.event_types', defaultLimits.filterTypesMax],
  ['SubscribeRequest.event_type_prefixes', defaultLimits.filterTypesMax],
  ['ReadAllRequest.patterns', defaultLimits.filterPatternsMax],
])('the comment of %s has its bound of %d, which no setting changes', (name, bound) => {
  const numbers = commentOf(fields.get(code(name)) as DescField).match(/\d+(,\d{3})*/g);
  expect(numbers).toContain(bound.toLocaleString('en'));
});

/** As the .proto file has it. */
function commentOf(field: DescField): string {
  const { proto } = field.parent.file;
  const path = [4, proto.messageType.indexOf(field.parent.proto), 2, field.parent.fields.indexOf(field)];
  const { location = [] } = proto.sourceCodeInfo ?? {};
  return location.find((one) => one.path.join() === path.join())?.leadingComments ?? '';
}
