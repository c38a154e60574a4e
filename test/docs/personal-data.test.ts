import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { bucketPermissions } from '../../src/keys/bucket-permissions';
import { mark, sealedContentType } from '../../src/keys/envelope-metadata';
import type { KeyErrorCode } from '../../src/keys/key-error';
import {
  forgottenKeysMax,
  keyCacheEntriesMax,
  keyCacheMs,
  keyRequestTimeoutMs,
  subjectBytesMax,
} from '../../src/keys/key-limits';
import { openKeyFolder } from '../../src/keys/key-folder';
import { buildOnce } from '../support/build';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { blocks, document, inlineCode, root, section, tableRows } from './markdown';
import { programFolder } from './run-example';

/** That docs/personal-data.md and docs/encryption-format.md are true. */
const page = document('docs/personal-data.md');
const format = document('docs/encryption-format.md');
const folder = mkdtempSync(join(tmpdir(), 'sluice-personal-data-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('the program prints what is shown, and the commands succeed with its key store', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const [program, shown] = blocks(page);
  const built = dirname(await buildOnce());
  const url = (path: string): string => pathToFileURL(join(built, path)).href;
  const file = join(folder, 'example.mjs');
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
  writeFileSync(
    file,
    ts
      .transpile(program?.code ?? '', options)
      .replace(`'sluice-eventstore'`, `'${url('client/client.js')}'`)
      .replace(`'sluice-eventstore/keys'`, `'${url('keys/keys.js')}'`)
      .replace('127.0.0.1:50051', gateway.address),
  );
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [file], { cwd: folder });
  expect(stdout).toBe(shown?.code);

  const sluice = join(folder, 'sluice.sh');
  writeFileSync(sluice, `#!/bin/sh\nexec "${process.execPath}" "${await buildOnce()}" "$@"\n`, {
    mode: 0o755,
  });
  const programs = programFolder(folder, { sluice });
  const env = {
    ...process.env,
    SLUICE_ADDRESS: gateway.address,
    PATH: `${programs}:${process.env['PATH'] ?? ''}`,
  };
  const commands = blocks(page).filter(({ language }) => language === 'sh');
  expect(commands).toHaveLength(2);
  for (const { code } of commands)
    await run('sh', ['-ec', code.replace('forget customer-42', 'forget --yes customer-42')], {
      cwd: folder,
      env,
    });
  await using keys = await openKeyFolder(join(folder, 'keys'));
  expect((await keys.describe('customer-42'))?.key).toBeUndefined();
  expect((await keys.describe('customer-43'))?.key).toBeDefined();
}, 120_000);

test('the table of errors has every code', () => {
  const codes: Record<KeyErrorCode, true> = {
    KEY_UNKNOWN: true,
    DECRYPTION_FAILED: true,
    ENVELOPE_INVALID: true,
    KEY_STORE_UNAVAILABLE: true,
    KEY_STORE_UNSAFE: true,
    KEY_STORE_DAMAGED: true,
    KEY_STORE_LOCKED: true,
    KEY_LIMIT_REACHED: true,
  };
  const rows = tableRows(section(page, '### Errors')).map(([code = '']) => inlineCode(code)[0]);
  expect(rows).toEqual(Object.keys(codes));
});

test('bounds and permissions are those of the sources', () => {
  const bounds = new Map(tableRows(section(page, '## Bounds')).map(([name, value]) => [name, value]));
  expect(bounds.get('name of a subject')).toContain(`1 to ${subjectBytesMax} `);
  expect(bounds.get('forgotten keys of a subject')).toBe(`${forgottenKeysMax}`);
  expect(bounds.get('subjects in the memory of a process')).toBe(keyCacheEntriesMax.toLocaleString('en'));
  expect(bounds.get('age of a key that is read from memory')).toBe(`${keyCacheMs / 1_000} s`);
  expect(bounds.get('a request to NATS')).toContain(`${keyRequestTimeoutMs / 1_000} s, `);
  const [block] = blocks(section(page, '### Permissions at NATS'));
  const listed = Array.from((block?.code ?? '').matchAll(/"([^"]+)"/g), ([, subject = '']) => subject);
  const { publish, subscribe } = bucketPermissions('keys');
  expect(listed).toEqual([...publish, ...subscribe]);
});

test('the fields of an encrypted event are those of the sources', () => {
  const rows = tableRows(section(format, '## An encrypted event'));
  const named = rows.slice(2).map(([field = '']) => inlineCode(field)[0]);
  expect(named).toEqual(Object.values(mark));
  expect(rows[1]?.[1]).toBe(`\`${sealedContentType}\``);
});

test('the program in Python makes the test vectors, where the package `cryptography` is installed', async () => {
  const run = promisify(execFile);
  const python = await run('python3', ['-c', 'import cryptography']).catch(() => undefined);
  if (python === undefined) {
    process.stderr.write('NO python3 with the package cryptography: the program of the page is not run\n');
    return;
  }
  const [{ code } = { code: '' }] = blocks(format).filter(({ language }) => language === 'python');
  const check = [
    'import json, sys',
    'for case in json.load(open(sys.argv[1]))["cases"]:',
    '    key, payload, stored = (bytes.fromhex(case[name]) for name in ("key", "payload", "stored"))',
    '    assert encrypt(key, case, payload) == stored and decrypt(key, case, stored) == payload',
    '    print(case["name"])',
  ].join('\n');
  const { stdout } = await run('python3', [
    '-c',
    `${code}\n${check}`,
    join(root, 'docs', 'encryption-vectors.json'),
  ]);
  expect(stdout.trimEnd().split('\n')).toHaveLength(3);
});
