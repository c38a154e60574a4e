import { toLine, type AuditEntry } from '../../src/auth/audit-entry';
import { blocks, document, inlineCode, section, tableRows } from './markdown';

const page = document('docs/operations/audit.md');

/** With a value for each field that an entry may have. */
const entry: Required<AuditEntry> = {
  principal: 'corp:alice',
  credential: { kind: 'jwt', id: '' },
  generation: 1,
  peer: 'unix',
  call: 'Append',
  action: 'append',
  group: 'mailer',
  streams: ['order.1'],
  phase: 'begun',
  commitId: '',
  position: 1n,
  outcome: 'OK',
  limit: 'appends',
};
const written = JSON.parse(toLine(entry, { count: 1, since: '' })) as object;

test('docs/operations/audit.md has every field of a line', () => {
  const named = tableRows(section(page, '## A line')).flatMap(([names = '']) => inlineCode(names));
  expect(named.sort()).toEqual(Object.keys(written).sort());
});

test('the line of docs/operations/audit.md is one', () => {
  const [example] = blocks(page);
  const keys = Object.keys(JSON.parse(example?.code ?? '') as object);
  const order = Object.keys(written).filter((key) => keys.includes(key));
  expect(keys).toEqual(order);
  expect(order).toHaveLength(12);
});
