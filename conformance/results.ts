/** What came of a language. */
export interface Column {
  readonly name: string;
  /** What its runner is made with. */
  versions: string;
  /** Whether it was left out, since its tools are not there. */
  readonly skipped?: true;
  /** Each thing that was looked at, with why it failed; undefined if it did not. */
  readonly results: Map<string, string | undefined>;
}

/** RESULTS.md: a row for each case, a column for each language. */
export function renderResults(columns: readonly Column[]): string {
  const rows = [...new Set(columns.flatMap(({ results }) => [...results.keys()]))];
  const cell = ({ results, skipped }: Column, row: string): string => {
    if (skipped === true) return 'skipped';
    if (!results.has(row)) return '';
    return results.get(row) === undefined ? 'ok' : 'FAILED';
  };
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    '# Results',
    '',
    'Written by `npm run conformance -- --write`; see [README.md](README.md).',
    '',
    ...columns.map(({ name, versions, skipped }) => `- ${name}: ${skipped === true ? 'left out' : versions}`),
    '',
    line(['case', ...columns.map(({ name }) => name)]),
    line(['---', ...columns.map(() => '---')]),
    ...rows.map((row) => line([row, ...columns.map((column) => cell(column, row))])),
    '',
  ].join('\n');
}
