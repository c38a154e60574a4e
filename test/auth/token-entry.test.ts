import fc from 'fast-check';
import { entryText, withToken, type WrittenTokenEntry } from '../../src/auth/token-entry';

const entry: WrittenTokenEntry = {
  id: 'ci-2',
  sha256: 'ab'.repeat(32),
  principal: 'ci',
  roles: ['a', 'b'],
  expires: '2027-01-01T00:00:00Z',
};
const line = entryText(entry);

test('an entry is one line, without an expiry that it does not have', () => {
  expect(line).toBe(
    `{ "id": "ci-2", "sha256": "${entry.sha256}", "principal": "ci", "roles": ["a","b"], "expires": "2027-01-01T00:00:00Z" }`,
  );
  expect(entryText({ ...entry, expires: undefined })).not.toContain('expires');
});

test.each<[string, string, string]>([
  ['an empty file', '{}', `{\n  "tokens": [\n    ${line}\n  ]\n}`],
  [
    'a file without tokens',
    '{\n  "roles": {}\n}\n',
    `{\n  "tokens": [\n    ${line}\n  ],\n  "roles": {}\n}\n`,
  ],
  ['an empty list', '{ "tokens": [ ] }', `{ "tokens": [${line}] }`],
  ['a list in a line', '{ "tokens": [{ "a": [] } ] }', `{ "tokens": [{ "a": [] }, ${line} ] }`],
  [
    'a list with an entry a line',
    '{\n\t"tokens": [\n\t\t{ "id": "]" },\n\t\t{ "id": "b" }\n\t],\n\t"roles": {} }',
    `{\n\t"tokens": [\n\t\t{ "id": "]" },\n\t\t{ "id": "b" },\n\t\t${line}\n\t],\n\t"roles": {} }`,
  ],
  [
    'entries of several lines',
    '{\n  "tokens": [\n    {\n      "id": "a"\n    }\n  ]\n}',
    `{\n  "tokens": [\n    {\n      "id": "a"\n    },\n    ${line}\n  ]\n}`,
  ],
  [
    'other lists of this name, and the name as a value',
    '{ "roles": { "tokens": [] }, "audit": "tokens", "tokens" : ["x"], "defaults": [] }',
    `{ "roles": { "tokens": [] }, "audit": "tokens", "tokens" : ["x", ${line}], "defaults": [] }`,
  ],
])('it is added to %s', (_, before, after) => {
  expect(withToken(before, entry)).toBe(after);
});

test('whatever the file is, it is the same except for the new entry', () => {
  const file = fc.dictionary(fc.string(), fc.jsonValue());
  const tokens = fc.option(fc.array(fc.jsonValue()), { nil: undefined });
  const indent = fc.constantFrom(0, 1, 2, '\t');
  const property = fc.property(file, tokens, indent, (rest, list, space) => {
    const before = { ...rest, tokens: list };
    const text = JSON.stringify(before, undefined, space);
    const after = { ...(JSON.parse(text) as object), tokens: [...(list ?? []), JSON.parse(line) as object] };
    expect(JSON.parse(withToken(text, entry))).toEqual(JSON.parse(JSON.stringify(after)));
  });
  fc.assert(property);
});
