import { exitCode } from '../../src/cli/failure';
import { helpText } from '../../src/config/help';
import { anchors, document, section } from './markdown';

/** docs/operations/runbook.md has what to do for every alert and every exit code. */
const page = 'docs/operations/runbook.md';
const runbook = document(page);

/** The headings of a section with the text below each. */
function entries(heading: string): Map<string, string> {
  const [, ...parts] = section(runbook, heading).split(/^### /m);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end), part.slice(end).trim()];
    }),
  );
}

test('every alert links to the heading with its name, and every heading there has an alert', () => {
  const rules = document('deploy/prometheus/sluice.rules.yml');
  const alerts = Array.from(rules.matchAll(/^ *- alert: (\w+)$/gm), ([, name = '']) => name);
  const runbooks = Array.from(rules.matchAll(/^ *runbook: (\S+)$/gm), ([, link = '']) => link);
  expect(alerts.length).toBeGreaterThan(30);
  expect(runbooks).toEqual(alerts.map((name) => `${page}#${name.toLowerCase()}`));
  expect([...entries('## Alerts').keys()]).toEqual(alerts);
  expect(anchors(runbook)).toEqual(expect.arrayContaining(alerts.map((name) => name.toLowerCase())));
});

test('every exit code of serve and of the commands has a heading', () => {
  const codesIn = (heading: string): number[] =>
    [...entries(heading).keys()].flatMap((title) => (title.match(/\d+/g) ?? []).map(Number));
  const ofServe = Array.from(helpText('').matchAll(/^ {2}(\d) {2}.+$/gm), ([, code]) => Number(code));
  expect(codesIn('## Exit codes of a gateway')).toEqual([...ofServe, 130, 143]);
  const ofCommands = Object.values(exitCode).filter((code) => code !== exitCode.ok);
  expect(codesIn('## Exit codes of the commands')).toEqual([...ofCommands, 130, 143]);
});

test('every alert and situation says what it means, where to look, what to do and what not, or refers to one that does', () => {
  for (const heading of ['## Alerts', '## Situations']) {
    for (const [title, text] of entries(heading)) {
      if (text.startsWith('[')) continue;
      const parts = ['**means.**', '**look', '**do'].filter((part) => text.toLowerCase().includes(part));
      expect([title, parts.length]).toEqual([title, 3]);
      expect([title, /\*\*Do not\*\*|\]\(#/.test(text)]).toEqual([title, true]);
    }
  }
});
