import { connect } from 'nats';
import { operatorPermissions } from '../../src/nats-server/permissions';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { manifestOf, newFolder } from '../backup/commands';
import { runSluice } from '../cli/process';
import { blocks, document, section } from '../docs/markdown';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** The permissions in docs/operations/security.md are sufficient for backup, restore and verify, and each of them is necessary. */

const heading = '### To back up, restore and verify';
const [block] = blocks(section(document('docs/operations/security.md'), heading));
const listed = block?.code ?? '';
const subjects = Array.from(listed.matchAll(/^ +"([^"]+)"/gm), ([, subject = '']) => subject);

/** An administrator, and an operator with the permissions of the document, except one. */
function configWithout(left: string | undefined): string {
  const lines = listed.split('\n').filter((line) => left === undefined || !line.includes(`"${left}"`));
  return `authorization { users: [
    { user: admin, password: secret }
    { user: operator, password: secret, permissions {
${lines.join('\n')}
    } }
  ] }`;
}

async function asAdmin<T>({ port }: TestNats, work: (url: string) => Promise<T>): Promise<T> {
  return work(`nats://admin:secret@127.0.0.1:${port.toString()}`);
}

async function removeStore(nats: TestNats): Promise<void> {
  const connection = await connect({ servers: nats.url, user: 'admin', pass: 'secret' });
  await (await connection.jetstreamManager()).streams.delete('EVENTS');
  await connection.close();
}

/** A backup that cannot be restored completely, as its manifest expects another position. */
function wrongCopy(folder: string): string {
  const copy = newFolder();
  cpSync(folder, copy, { recursive: true });
  const manifest = { ...manifestOf(copy), position: 2 };
  const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
  writeFileSync(join(copy, 'manifest.json'), JSON.stringify({ manifest, sha256 }));
  return copy;
}

/** Everything that an operator does; the exit codes and what went wrong. */
async function exercise(nats: TestNats): Promise<readonly string[]> {
  await asAdmin(nats, async (url) => {
    await using gateway = await startTestGateway([url]);
    for (let i = 0; i < 3; i++) await gateway.client.append({ stream: 's', events: newEvents(1) });
  });
  const problems: string[] = [];
  const login = [`--nats-url=${nats.url}`, '--nats-user=operator', '--nats-password=secret'];
  const run = async (code: number, ...args: readonly string[]): Promise<boolean> => {
    const ended = await runSluice([...args, ...login]);
    if (ended.code !== code) problems.push(`${args[0] ?? ''} ended with ${ended.code}: ${ended.stderr}`);
    return ended.code === code;
  };
  const folder = newFolder();
  await run(0, 'verify');
  if (!(await run(0, 'backup', folder))) return problems;
  await removeStore(nats);
  await run(1, 'restore', wrongCopy(folder));
  await run(0, 'restore', folder);
  return problems;
}

test('are those of the embedded nats-server', () => {
  const { publish, subscribe } = operatorPermissions({ name: 'EVENTS', prefix: 'es' });
  const all = Array.from(listed.matchAll(/"([^"]+)"/g), ([, subject = '']) => subject);
  expect(all.sort()).toEqual([...publish, ...subscribe].sort());
});

test('with them everything works', async () => {
  await using nats = await startNats({ extraConfig: configWithout(undefined) });
  expect(await exercise(nats)).toEqual([]);
}, 60_000);

test.each(subjects)(
  'something fails without %s',
  async (subject) => {
    await using nats = await startNats({ extraConfig: configWithout(subject) });
    expect(await exercise(nats)).not.toEqual([]);
  },
  60_000,
);
