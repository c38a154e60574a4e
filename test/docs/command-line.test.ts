import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commands } from '../../src/cli/run';
import { commandHelp } from '../../src/cli/help';
import { buildOnce } from '../support/build';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { document, inlineCode, section, tableRows } from './markdown';
import { checkPage, programFolder } from './run-example';

const page = document('docs/command-line.md');
const folder = mkdtempSync(join(tmpdir(), 'sluice-command-line-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  ['docs/command-line.md', 15],
  ['docs/streams.md', 2],
  ['docs/conditions.md', 0],
])(
  'every command of %s prints what is shown',
  async (name, countMin) => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url], [], { sweepIntervalMs: 0 });
    const cwd = mkdtempSync(join(folder, 'page-'));
    const sluice = join(cwd, 'sluice.sh');
    writeFileSync(sluice, `#!/bin/sh\nexec "${process.execPath}" "${await buildOnce()}" "$@"\n`);
    chmodSync(sluice, 0o755);
    const programs = programFolder(cwd, { sluice });
    const env = { SLUICE_ADDRESS: gateway.address };
    const options = { address: gateway.address, programs, cwd, env };
    expect(await checkPage(document(name), options)).toBeGreaterThan(countMin);
  },
  300_000,
);

test('docs/command-line.md has every command and its options', () => {
  const rows = tableRows(section(page, '## Commands'));
  expect(rows.map(([name]) => name)).toEqual(
    commands.map(({ name, usage }) => `\`${`${name} ${usage}`.trim()}\``),
  );
  for (const [i, { options }] of commands.entries()) {
    const listed = inlineCode(rows[i]?.[2] ?? '').map((option) => option.slice(2));
    const common = tableRows(section(page, '## Options of every command')).map(([name = '']) => name);
    const all = [...listed, ...common.map((name) => /--([\w-]+)/.exec(name)?.[1])];
    expect(all.sort()).toEqual(Object.keys(options).sort());
  }
});

test('docs/command-line.md has the exit codes of the help', () => {
  const rows = tableRows(section(page, '## Exit codes'));
  const help = commandHelp(commands[0] as (typeof commands)[number]);
  const listed = Array.from(help.matchAll(/^ {2}(\d[\d, ]*?) {2}(.+)$/gm), ([, codes, text]) => [
    codes,
    text,
  ]);
  expect(rows).toEqual(listed);
});
