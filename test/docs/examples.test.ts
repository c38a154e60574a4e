import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { connect } from 'nats';
import ts from 'typescript';
import { startSluice } from '../cli/process';
import { buildOnce } from '../support/build';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { grpcurlPath, natsServerPath } from '../support/tools';
import { blocks, document, root, section, type Block } from './markdown';
import { checkPage, normal, programFolder } from './run-example';

/** Runs the examples of the documentation exactly as they are written. */

const readme = document('README.md');
/** The address of the gateway in the examples. */
const exampleAddress = '127.0.0.1:50051';
const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program and returns its stdout and then its stderr. */
async function output(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { cwd: folder, env: { ...process.env, ...env }, maxBuffer: 64 << 20, timeout: 60_000 };
  const { stdout, stderr } = await promisify(execFile)(file, args, options).catch((error: unknown) => {
    const { stdout: out, stderr: err } = error as { stdout?: string; stderr?: string };
    if (out === undefined || err === undefined) throw error;
    return { stdout: out, stderr: err };
  });
  return stdout + stderr;
}

/** Each block of a language with the text block after it, which shows what it prints. */
function withOutput(text: string, language: string): [example: string, shown: string][] {
  const all = blocks(text);
  return all.flatMap((block, i): [string, string][] => {
    const next = all[i + 1];
    return block.language === language && next?.language === 'text' ? [[block.code, next.code]] : [];
  });
}

function onlyBlock(text: string, language: string): string {
  const found = blocks(text).filter((block) => block.language === language);
  expect(found).toHaveLength(1);
  return (found[0] as Block).code;
}

const grpcurl = grpcurlPath();
const withGrpcurl = grpcurl === undefined ? test.skip : test;

withGrpcurl('the commands of README.md print what is shown', async () => {
  const dataDir = join(folder, 'data');
  await using sluice = await startSluice(
    ['--listen=127.0.0.1:0', '--http-listen=127.0.0.1:0', '--data-dir', dataDir],
    {
      SLUICE_NATS_SERVER: natsServerPath(),
    },
  );
  const address = await sluice.serving();
  const start = blocks(section(readme, '## Start'));
  expect(start.map(({ language }) => language)).toEqual(['sh', 'text', 'sh']);
  const banner = start[1]?.code.replaceAll(exampleAddress, address).replaceAll('/srv/sluice/data', dataDir);
  const printed = sluice.stdout().replace(/(?<=http:\/\/127\.0\.0\.1:)\d+/, '8080');
  expect(normal(printed)).toBe(normal(banner ?? ''));
  mkdirSync(join(folder, 'bin'));
  const script = `#!/bin/sh\nexec "${process.execPath}" "${await buildOnce()}" "$@"\n`;
  writeFileSync(join(folder, 'bin', 'sluice'), script, { mode: 0o755 });
  const programs = programFolder(folder, { grpcurl: grpcurl ?? '' });
  const options = { address, programs, cwd: folder, env: { SLUICE_ADDRESS: address } };
  const session = ['## The first event', '## An append, a conflict, a read'].map((heading) =>
    section(readme, heading),
  );
  expect(await checkPage(session.join('\n'), options)).toBe(4);
});

test.each([
  ['docs/typescript.md', 7],
  ['docs/streams.md', 1],
  ['docs/conditions.md', 1],
])('the examples of %s print what is shown, one after the other', async (page, count) => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const examples = withOutput(document(page), 'ts');
  expect(examples).toHaveLength(count);
  const client = pathToFileURL(join(dirname(await buildOnce()), 'client', 'client.js')).href;
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
  const file = join(folder, 'example.mjs');
  for (const [example, shown] of examples) {
    writeFileSync(
      file,
      ts
        .transpile(example, options)
        .replace(`'sluice-eventstore'`, `'${client}'`)
        .replace(exampleAddress, gateway.address),
    );
    expect(await output(process.execPath, [file])).toBe(shown);
  }
});

test('the TypeScript of the documentation has no type errors', () => {
  const examples = [
    'docs/typescript.md',
    'docs/errors.md',
    'docs/clients.md',
    'docs/personal-data.md',
    'docs/streams.md',
    'docs/conditions.md',
  ].flatMap((page) => blocks(document(page)).filter(({ language }) => language === 'ts'));
  expect(examples.length).toBeGreaterThanOrEqual(2);
  const files = examples.map(({ code }, i) => {
    const file = join(folder, `example${i}.mts`);
    writeFileSync(file, code);
    return file;
  });
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Preserve,
    paths: {
      'sluice-eventstore': [join(root, 'src', 'client', 'client.ts')],
      'sluice-eventstore/keys': [join(root, 'src', 'keys', 'keys.ts')],
    },
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  });
  const found = files.flatMap((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)));
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

describe('the script in docs/storage.md that decodes a store without Sluice', () => {
  const storage = section(document('docs/storage.md'), '## Decode it with any NATS client');
  const script = onlyBlock(storage, 'js');

  /** Runs it as the page says: in a folder that contains proto/, with the packages installed. */
  function decode(url: string): Promise<string> {
    writeFileSync(join(folder, 'decode.mjs'), script);
    return output(process.execPath, ['decode.mjs', url]);
  }

  beforeAll(() => {
    for (const name of ['proto', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
  });

  test('prints what is shown for a store with the two appends that it names', async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const json = (type: string, value: string) => ({ type, payload: { $case: 'text' as const, value } });
    const events = [json('OrderPlaced', '{"total":30}'), json('OrderPaid', '{"by":"card"}')];
    await gateway.client.append({ stream: 'order.42', events });
    await gateway.client.append({ stream: 'invoice.9', events: [{ type: 'InvoiceSent' }] });
    expect(await decode(nats.url)).toBe(onlyBlock(storage, 'text'));
  });

  test('puts the parts of a commit at one position and skips what is not a commit', async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const binary = new Uint8Array(600_000);
    const event = { type: 'A', payload: { $case: 'binary' as const, value: Buffer.from(binary) } };
    const { position } = await gateway.client.append({ stream: 'large.1', events: [event, event, event] });
    expect(position).toBe(3n);
    const connection = await connect({ servers: nats.url });
    await connection.jetstream().publish('es.stray.1', 'by hand');
    await connection.close();
    expect(await decode(nats.url)).toBe('3 large.1 1 A -\n3 large.1 2 A -\n3 large.1 3 A -\n');
  });
});
