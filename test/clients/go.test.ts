import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { blocks, document, root } from '../docs/markdown';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { hasGo } from './go-tools';

/** The Go client: its own tests on a real gateway, and its stubs, which must be those of proto/. */

const run = promisify(execFile);
const client = join(root, 'clients', 'go');
const goTimeoutMs = 300_000;

// In CI nothing is skipped.
const withGo = hasGo('the tests of the Go client') ? test : test.skip;

withGo(
  'the tests of clients/go pass on a gateway',
  async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const env = { ...process.env, SLUICE_TEST_ADDRESS: gateway.address };
    const { stdout } = await run('go', ['test', '-count=1', '-v', '.'], { cwd: client, env }).catch(
      (error: unknown) => {
        const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
        throw new Error(stdout + stderr);
      },
    );
    expect(stdout).toMatch(/^--- PASS: TestAppendConflictRead/m);
    expect(stdout).not.toContain('SKIP');
  },
  goTimeoutMs,
);

withGo(
  'the examples of docs/go.md print what is shown, one after the other',
  async () => {
    const all = blocks(document('docs/go.md'));
    const programs = all.flatMap(({ language, code }, i) => {
      const next = all[i + 1];
      return language === 'go' ? [{ code, shown: next?.language === 'text' ? next.code : undefined }] : [];
    });
    expect(programs).toHaveLength(9);
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const folder = mkdtempSync(join(tmpdir(), 'sluice-go-docs-'));
    try {
      const module = readFileSync(join(client, 'go.mod'), 'utf8').replace(/^module (.+)$/m, 'module shop');
      const own = 'github.com/sluice-eventstore/sluice/clients/go';
      writeFileSync(
        join(folder, 'go.mod'),
        `${module}\nrequire ${own} v0.0.0\nreplace ${own} => ${client}\n`,
      );
      cpSync(join(client, 'go.sum'), join(folder, 'go.sum'));
      for (const [i, { code }] of programs.entries()) {
        mkdirSync(join(folder, `example${i}`));
        const program = code.replace('127.0.0.1:50051', gateway.address);
        writeFileSync(join(folder, `example${i}`, 'main.go'), program);
      }
      await run('go', ['build', '-o', 'bin/', './...'], { cwd: folder });
      for (const [i, { shown }] of programs.entries()) {
        if (shown === undefined) continue; // it needs a file
        const { stdout } = await run(join(folder, 'bin', `example${i}`));
        expect(stdout).toBe(shown);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  goTimeoutMs,
);

withGo(
  'all Go is formatted, the client is vetted, and its stubs are what buf makes of proto/',
  async () => {
    const all = ['clients/go', 'examples', 'bench/go', 'conformance/go'];
    const { stdout: unformatted } = await run('gofmt', ['-l', ...all], { cwd: root });
    expect(unformatted).toBe('');
    await run('go', ['vet', './...'], { cwd: client });
    const folder = mkdtempSync(join(tmpdir(), 'sluice-go-stubs-'));
    try {
      const buf = join(root, 'node_modules', '.bin', 'buf');
      const template = join('clients', 'go', 'buf.gen.yaml');
      await run(buf, ['generate', '--template', template, '--output', folder], { cwd: root });
      const stubs = (path: string): Map<string, string> =>
        new Map(readdirSync(path).map((name) => [name, readFileSync(join(path, name), 'utf8')]));
      expect(stubs(join(client, 'sluicev1'))).toEqual(stubs(join(folder, 'clients', 'go', 'sluicev1')));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  goTimeoutMs,
);
