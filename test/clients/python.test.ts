import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../../conformance/run';
import { blocks, document, root } from '../docs/markdown';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { pythonClient, pythonVersion, pythonWithPackages } from './python-venv';

/** The Python client: its own tests, its types, its generated messages, and its wheel. behaviour.test.ts judges all clients. */

const timeoutMs = 600_000; // the first time on a machine it fetches packages
const version = pythonVersion();
const withPython = version === undefined ? test.skip : test;
let python = '';
beforeAll(async () => {
  if (version !== undefined) python = await pythonWithPackages(version);
}, timeoutMs);

function module(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return run([python, ...args], { cwd: pythonClient, env });
}

/** Beside the packages, so that it is warm from run to run. */
function mypyCache(): string {
  return join(dirname(dirname(python)), 'mypy');
}

withPython(
  'its tests pass, against a gateway on a NATS server',
  async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const env = { SLUICE_ADDRESS: gateway.address, PYTHONPATH: join(pythonClient, 'src') };
    expect(await module(['-B', '-m', 'pytest', '--color=no'], env)).toMatch(/^\d+ passed in /m);
  },
  timeoutMs,
);

withPython(
  'its types are complete, by mypy',
  async () => {
    expect(await module(['-m', 'mypy', `--cache-dir=${mypyCache()}`])).toMatch(/^Success: no issues found/);
  },
  timeoutMs,
);

withPython(
  'the examples of docs/python.md have no type errors, and print what is shown, one after the other',
  async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const folder = mkdtempSync(join(tmpdir(), 'sluice-python-'));
    try {
      const page = blocks(document('docs/python.md'));
      const examples = page.flatMap(({ language, code }, i) =>
        language === 'python' ? [{ code, shown: page[i + 1] }] : [],
      );
      const files = examples.map(({ code }, i) => {
        const file = join(folder, `example${i}.py`);
        writeFileSync(file, code.replace('127.0.0.1:50051', gateway.address));
        return file;
      });
      expect(await module(['-m', 'mypy', `--cache-dir=${mypyCache()}`, ...files])).toMatch(/^Success/);
      const env = { PYTHONPATH: join(pythonClient, 'src') };
      for (const [i, { shown }] of examples.entries()) {
        const printed = await module(['-B', files[i] ?? ''], env);
        expect(printed).toBe(shown?.language === 'text' ? shown.code : '');
      }
      expect(examples).toHaveLength(6);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  timeoutMs,
);

withPython('its messages are what protoc makes of proto/', async () => {
  expect(await module(['-B', 'generate.py', '--check'])).toBe('');
});

withPython('its wheel has the sources, the messages, the marker of types and the license', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wheel-'));
  try {
    await module(['-m', 'hatchling', 'build', '-t', 'wheel', '-d', folder]);
    const [wheel = ''] = readdirSync(folder);
    expect(wheel).toBe('sluice_eventstore-0.1.0-py3-none-any.whl');
    await module(['-m', 'zipfile', '-e', join(folder, wheel), folder]);
    const sources = join(pythonClient, 'src', 'sluice_eventstore');
    const installed = readdirSync(join(folder, 'sluice_eventstore'), { recursive: true, encoding: 'utf8' });
    const expected = readdirSync(sources, { recursive: true, encoding: 'utf8' });
    expect(installed.sort()).toEqual(expected.filter((name) => !name.includes('__pycache__')).sort());
    expect(installed).toEqual(
      expect.arrayContaining(['py.typed', join('v1', 'event_store_service_pb2.pyi')]),
    );
    const info = join(folder, 'sluice_eventstore-0.1.0.dist-info');
    expect(readFileSync(join(info, 'licenses', 'LICENSE'), 'utf8')).toBe(
      readFileSync(join(root, 'LICENSE'), 'utf8'),
    );
    expect(readFileSync(join(info, 'METADATA'), 'utf8')).toMatch(
      new RegExp(`^Version: ${versionOf(root)}$`, 'm'),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}
