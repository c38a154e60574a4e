import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import ts from 'typescript';
import { fileDescriptorSet } from '../../generated/descriptors';

/** The fields of each message of the contract, by the names that they have in JSON. */
const contract = new Map(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')).file.flatMap(
    ({ messageType }) =>
      messageType.map(({ name, field }) => [name, new Set(field.map(({ jsonName }) => jsonName))] as const),
  ),
);

test.each(['messages.ts', 'group-messages.ts', 'server-info.ts'])(
  'every field in %s is one of the contract',
  (file) => {
    const path = join(__dirname, '../../src/console/wire', file);
    const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2023, true);
    const interfaces = source.statements.filter((statement) => ts.isInterfaceDeclaration(statement));
    expect(interfaces.length).toBeGreaterThan(5);
    const unknown = interfaces.flatMap(({ name, members }) =>
      members
        .map((member) => member.name?.getText() ?? '')
        .filter((field) => contract.get(name.text)?.has(field) !== true)
        .map((field) => `${name.text}.${field}`),
    );
    expect(unknown).toEqual([]);
  },
);
