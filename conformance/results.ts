/** What came of a language. */
export interface Column {
  readonly name: string;
  /** What its runner is made with. */
  versions: string;
  /** True if it was left out because its tools are missing. */
  readonly skipped?: true;
  /** Starts its program of docs/clients.md; the arguments follow. undefined without a program, or before it is built. */
  readonly command?: readonly string[] | undefined;
  /** Each thing that was checked, with why it failed; undefined if it did not. */
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
