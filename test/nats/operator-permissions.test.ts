import { connect } from 'nats';
import { operatorPermissions } from '../../src/nats-server/permissions';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { manifestOf, newFolder } from '../backup/commands';
import { runSluice } from '../cli/process';
import { blocks, document, section } from '../docs/markdown';
import { startTestGateway } from '../support/gateway';
import { consumersOf } from '../support/monitor';
import { startNats, within, type TestNats } from '../support/nats-server';

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

/** More than nats-server sends of a snapshot without an acknowledgement, also compressed. */
async function fill({ port }: TestNats): Promise<void> {
  const url = `nats://admin:secret@127.0.0.1:${port.toString()}`;
  await using gateway = await startTestGateway([url]);
  for (let i = 0; i < 14; i++) {
    const payload = { $case: 'binary', value: randomBytes(900_000) } as const;
    await gateway.client.append({ stream: 's', events: [{ id: randomUUID(), type: 'Happened', payload }] });
  }
}

async function removeStore(nats: TestNats): Promise<void> {
  const connection = await connect({ servers: nats.url, user: 'admin', pass: 'secret' });
  await (await connection.jetstreamManager()).streams.delete('EVENTS');
  await connection.close();
}

/** A backup whose manifest expects other events, so that its restore fails at the end. */
function wrongCopy(folder: string): string {
  const copy = newFolder();
  cpSync(folder, copy, { recursive: true });
  const { counts, ...about } = manifestOf(copy);
  const manifest = { ...about, counts: { ...counts, events: 1 } };
  const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
  writeFileSync(join(copy, 'manifest.json'), JSON.stringify({ manifest, sha256 }));
  return copy;
}

/** What is wrong if a consumer is left. The server would remove it by itself after 10 seconds. */
async function leftConsumers(nats: TestNats): Promise<string | undefined> {
  try {
    await within(8_000, async () => (await consumersOf([nats])) === 0);
    return undefined;
  } catch {
    return 'a consumer is left';
  }
}

/** Everything that an operator does; resolves with what went wrong first. */
async function exercise(nats: TestNats): Promise<string | undefined> {
  await fill(nats);
  const login = [`--nats-url=${nats.url}`, '--nats-user=operator', '--nats-password=secret'];
  const run = async (code: number, ...args: readonly string[]): Promise<string | undefined> => {
    const ended = await runSluice([...args, ...login]);
    return ended.code === code ? undefined : `${args[0] ?? ''} ended with ${ended.code}: ${ended.stderr}`;
  };
  const folder = newFolder();
  const problem = (await run(0, 'verify')) ?? (await leftConsumers(nats)) ?? (await run(0, 'backup', folder));
  if (problem !== undefined) return problem;
  await removeStore(nats);
  return (await run(1, 'restore', wrongCopy(folder))) ?? run(0, 'restore', folder);
}

test('are those of the embedded nats-server', () => {
  const { publish, subscribe } = operatorPermissions({ name: 'EVENTS', prefix: 'es' });
  const all = Array.from(listed.matchAll(/"([^"]+)"/g), ([, subject = '']) => subject);
  expect(all.sort()).toEqual([...publish, ...subscribe].sort());
});

test('with them everything works', async () => {
  await using nats = await startNats({ extraConfig: configWithout(undefined) });
  expect(await exercise(nats)).toBeUndefined();
}, 120_000);

test.each(subjects)(
  'something fails without %s',
  async (subject) => {
    await using nats = await startNats({ extraConfig: configWithout(subject) });
    expect(await exercise(nats)).toBeDefined();
  },
  120_000,
);
