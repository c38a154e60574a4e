import { parseAuthFile } from '../../src/auth/auth-file';
import { limitNames } from '../../src/auth/caller-limits';
import { authFileSchema } from '../../src/auth/schema';
import { blocks, document, inlineCode, section, tableRows } from './markdown';

const page = document('docs/auth-file.md');

/** The names in the first column of the tables of a section, a list for each table. */
function fieldsOf(heading: string): string[][] {
  const tables = section(page, heading).split(/\n(?!\|)/);
  return tables
    .map((table) => tableRows(`\n${table}`).map(([name = '']) => inlineCode(name)[0] ?? ''))
    .filter((names) => names.length > 0);
}

const { shape } = authFileSchema(new Set());
const { rules } = shape.certificates.unwrap().shape;
const access = shape.roles.unwrap().valueType.shape;
const keysOf = (object: object): string[] => Object.keys(object).sort();

test('the example of docs/auth-file.md can be used', () => {
  const [example] = blocks(page);
  const file = parseAuthFile(Buffer.from(example?.code ?? ''), 'auth.json');
  expect(Object.keys(file).sort()).toEqual(keysOf(shape));
});

test('docs/auth-file.md has every field of the file', () => {
  const top = tableRows(page.slice(0, page.indexOf('\n## '))).map(([name = '']) => inlineCode(name)[0]);
  expect(top.sort()).toEqual(keysOf(shape));
  const found = [
    'Roles, grants and limits',
    'Tokens',
    'Issuers',
    'Certificates',
    'Principals and defaults',
    'Audit',
  ].map((heading) => fieldsOf(`## ${heading}`).map((names) => names.sort()));
  expect(found).toEqual([
    [keysOf(access), keysOf(access.grants.unwrap().element.shape), Object.values(limitNames).sort()],
    [keysOf(shape.tokens.unwrap().element.shape)],
    [keysOf(shape.issuers.unwrap().element.shape)],
    [keysOf(shape.certificates.unwrap().shape), keysOf(rules.unwrap().element.shape)],
    [keysOf(shape.principals.unwrap().valueType.shape)],
    [keysOf(shape.audit.unwrap().shape)],
  ]);
});
