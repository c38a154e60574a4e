import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/config';
import { flagOf, keys, variableOf } from '../../src/config/settings';
import { root } from '../docs/markdown';
import { deployTool, runTool } from '../support/deploy-tools';

/** The unit of systemd, checked by systemd-analyze. No systemd runs it here. */
const folder = join(root, 'deploy', 'systemd');
const unit = readFileSync(join(folder, 'sluice.service'), 'utf8');

let made: string;

beforeAll(() => {
  made = mkdtempSync(join(tmpdir(), 'sluice-systemd-'));
});
afterAll(() => {
  rmSync(made, { recursive: true });
});

/** A file of the unit, in which the program is one that exists. */
function unitFile(name: string, text: string): string {
  mkdirSync(join(made, name));
  const file = join(made, name, 'sluice.service');
  writeFileSync(file, text.replace('ExecStart=/usr/bin/sluice', `ExecStart=${join(root, 'bin', 'sluice')}`));
  return file;
}

test('systemd-analyze verify accepts it, and finds errors in another one', async () => {
  const analyze = await deployTool('systemdAnalyze');
  if (analyze === undefined) return;
  const args = ['verify', '--man=no'];
  const good = await runTool(analyze, [...args, unitFile('good', unit)]);
  expect(good).toEqual({ code: 0, stdout: '', stderr: '' });
  const wrong = await runTool(analyze, [
    ...args,
    unitFile('wrong', unit.replace('KillMode=mixed', 'KillMode=mixd')),
  ]);
  expect(wrong.stderr).toContain('mixd');
  const missing = await runTool(analyze, [...args, join(folder, 'sluice.service')]);
  if (missing.code !== 0) expect(missing.stderr).toContain('/usr/bin/sluice is not executable');
});

test('it gives the gateway little', async () => {
  const analyze = await deployTool('systemdAnalyze');
  if (analyze === undefined) return;
  // systemd calls 10 unsafe, and a service without any of these settings has 9.6.
  const file = unitFile('measured', unit);
  const measured = await runTool(analyze, ['security', '--offline=true', '--threshold=15', file]);
  expect(measured).toMatchObject({ code: 0, stderr: '' });
  const bare = unit.replace(/^(NoNew|Capab|Protect|Private|Restrict|SystemCall).*\n/gm, '');
  const worse = await runTool(analyze, [
    'security',
    '--offline=true',
    '--threshold=15',
    unitFile('bare', bare),
  ]);
  expect(worse.code).toBe(1);
});

test('its settings are settings of the gateway', () => {
  const text = readFileSync(join(folder, 'sluice.env'), 'utf8');
  const pairs = Array.from(
    text.matchAll(/^(\w+)=(.+)$/gm),
    ([, name = '', value = '']) => [name, value] as const,
  );
  expect(pairs.length).toBeGreaterThan(5);
  const known = new Map(keys.map((key) => [variableOf(key), key]));
  const flags = pairs.map(([name, value]) => {
    const key = known.get(name);
    if (key === undefined) throw new Error(`there is no setting ${name}`);
    const isFile = value.startsWith('/etc/sluice/');
    return `${flagOf(key)}=${isFile ? join(root, 'package.json') : value}`;
  });
  expect(() => loadConfig(flags, {})).not.toThrow();
});

test('it waits longer for a stop than the gateway takes', () => {
  const { shutdownTimeoutMs } = loadConfig([], {}).limits;
  const [, seconds = ''] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
  expect(Number(seconds) * 1000).toBeGreaterThanOrEqual(shutdownTimeoutMs + 15_000);
});
