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
      expect(examples).toHaveLength(9);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  timeoutMs,
);

withPython('its messages are what protoc makes of proto/', async () => {
  expect(await module(['-B', 'generate.py', '--check'])).toBe('');
});

withPython('its wheel has what it should, is installed by pip, and is what its sdist builds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wheel-'));
  try {
    const version = versionOf(root);
    const name = `sluice_eventstore-${version}`;
    const wheel = `${name}-py3-none-any.whl`;
    await module(['-m', 'hatchling', 'build', '-d', folder]);
    expect(readdirSync(folder).sort()).toEqual([wheel, `${name}.tar.gz`]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index', '--target'];
    const installed = join(folder, 'installed');
    await module([...pip, installed, join(folder, wheel)]);
    const sources = filesOf(join(pythonClient, 'src', 'sluice_eventstore'));
    expect(sources).toEqual(expect.arrayContaining(['py.typed', join('v1', 'event_store_service_pb2.pyi')]));
    expect(filesOf(join(installed, 'sluice_eventstore'))).toEqual(sources);
    const info = join(installed, `${name}.dist-info`);
    expect(readFileSync(join(info, 'licenses', 'LICENSE'), 'utf8')).toBe(document('LICENSE'));
    const [head = ''] = readFileSync(join(info, 'METADATA'), 'utf8').split('\n\n');
    expect(head.split('\n')).toEqual(
      expect.arrayContaining([
        'Name: sluice-eventstore',
        `Version: ${version}`,
        'License-Expression: Apache-2.0',
        'Requires-Python: >=3.11',
        'Requires-Dist: grpcio>=1.75',
        'Provides-Extra: opentelemetry',
        'Project-URL: Repository, https://github.com/sluice-eventstore/sluice',
        'Description-Content-Type: text/markdown',
      ]),
    );
    // As a program of others finds it.
    const env = { PYTHONPATH: installed };
    const where = 'import sluice_eventstore; print(sluice_eventstore.__file__)';
    expect(await module(['-B', '-c', where], env)).toContain(installed);
    await module(['-m', 'tarfile', '-e', join(folder, `${name}.tar.gz`), folder]);
    const rebuilt = ['-m', 'hatchling', 'build', '-t', 'wheel', '-d', join(folder, 'rebuilt')];
    await run([python, ...rebuilt], { cwd: join(folder, name) });
    const same = readFileSync(join(folder, wheel)).equals(readFileSync(join(folder, 'rebuilt', wheel)));
    expect(same).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** All files below a folder but compiled ones, sorted. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.includes('__pycache__'))
    .sort();
}

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}
