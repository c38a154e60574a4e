import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildOnce } from '../support/build';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { blocks, document, section } from './markdown';
import { asShown, programFolder } from './run-example';

const page = document('docs/security.md');
const folder = mkdtempSync(join(tmpdir(), 'sluice-security-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Blocks of a section in a language. */
function blocksOf(heading: string, language: string): string[] {
  return blocks(section(page, heading)).flatMap((block) => (block.language === language ? [block.code] : []));
}

let programs: string;
beforeAll(async () => {
  const sluice = join(folder, 'sluice.sh');
  writeFileSync(sluice, `#!/bin/sh\nexec "${process.execPath}" "${await buildOnce()}" "$@"\n`);
  chmodSync(sluice, 0o755);
  programs = programFolder(folder, { sluice });
}, 120_000);

/** What the commands print, on stdout and stderr as one. */
async function run(commands: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = `${programs}:${process.env['PATH'] ?? ''}`;
  const script = `exec 2>&1\n${commands.replaceAll('bin/sluice', 'sluice')}`;
  const options = { cwd: folder, env: { ...env, PATH: path } };
  return (await promisify(execFile)('sh', ['-c', script], options)).stdout;
}

test('access control is switched on by the three lines of the page, which README.md has too', async () => {
  const [lines = '', calls = ''] = blocksOf('## Switch it on', 'sh');
  const [shown = ''] = blocksOf('## Switch it on', 'text');
  const [start, ...before] = lines.trimEnd().split('\n').reverse();
  expect(document('README.md')).toContain(lines);
  expect(start).toBe('npm start -- --auth-file auth.json');
  await run(before.reverse().join('\n'));
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], [`--auth-file=${join(folder, 'auth.json')}`]);
  const result = asShown(await run(calls, { SLUICE_ADDRESS: gateway.address }), shown);
  expect(result.printed).toBe(result.shown);
}, 60_000);

test('the example of three teams permits what the page says', async () => {
  const [file = ''] = blocksOf('## Example: three teams', 'json');
  const [checks = ''] = blocksOf('## Example: three teams', 'sh');
  const [shown = ''] = blocksOf('## Example: three teams', 'text');
  writeFileSync(join(folder, 'auth.json'), file);
  expect(await run(checks)).toBe(shown);
}, 60_000);
