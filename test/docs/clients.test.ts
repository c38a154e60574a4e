import { blocks, document, headings } from './markdown';

/** The pages of the clients: a reader of one finds everything in the same place on another. */

const pages = [
  ['docs/typescript.md', 'ts'],
  ['docs/go.md', 'go'],
  ['docs/python.md', 'python'],
] as const;

test('they have the same headings', () => {
  const [first, ...others] = pages.map(([page]) => headings(document(page)).slice(1));
  expect(first).toContain('## Several gateways');
  for (const other of others) expect(other).toEqual(first);
});

test.each(pages)('%s has as many examples, and the same outputs', (page, language) => {
  const [[first]] = pages;
  const all = blocks(document(page));
  expect(new Set(all.map((block) => block.language))).toEqual(new Set([language, 'text']));
  const lines = (path: string): number[] =>
    blocks(document(path))
      .filter((block) => block.language === 'text')
      .map(({ code }) => code.split('\n').length);
  expect(lines(page)).toEqual(lines(first));
});

test('README.md names all of them', () => {
  const readme = document('README.md');
  for (const [page] of pages) expect(readme).toContain(`](${page})`);
});
