import { randomUUID } from 'node:crypto';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { runSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { loseFirstBlock } from '../support/log-blocks';
import { startNats } from '../support/nats-server';
import { startWithStranger } from '../support/stranger';
import { manifestOf, newFolder, succeed } from './commands';

/** What `sluice verify` finds in a log, and that a damaged log can be backed up and restored as it is. */

interface Forged {
  readonly stream: string;
  readonly version: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message that looks like a commit of one event. */
function forged({
  stream,
  version,
  headers = {},
}: Forged): readonly [string, Buffer, Record<string, string>] {
  const events = [{ id: randomUUID(), type: 'Forged', stream, version: BigInt(version) }];
  const body = Buffer.from(CommitRecord.encode(CommitRecord.fromPartial({ events })).finish());
  return [
    stream,
    body,
    {
      'Nats-Msg-Id': randomUUID(),
      'Nats-Expected-Last-Subject-Sequence': version === 1 ? '0' : '',
      'Sluice-Version': version.toString(),
      'Sluice-Count': '1',
      ...headers,
    },
  ];
}

interface Found {
  readonly code: number | NodeJS.Signals;
  readonly lines: readonly string[];
  readonly stderr: string;
}

async function verify(natsUrl: string): Promise<Found> {
  const { code, stdout, stderr } = await runSluice(['verify', `--nats-url=${natsUrl}`]);
  return {
    code,
    lines: stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.trim()),
    stderr,
  };
}

test('messages that are no commits, versions that do not follow each other, and transactions with a part missing', async () => {
  await using setting = await startWithStranger();
  const { gateway, natsUrl } = setting;
  const { position } = await gateway.client.append({ stream: 'jump', events: newEvents(2) });
  const appends = ['x.1', 'x.2'].map((stream) => ({ stream, events: newEvents(1) }));
  await gateway.client.appendMulti({ appends });
  expect((await verify(natsUrl)).code).toBe(0);
  await setting.publish('by-hand', 'hello');
  await setting.publish('not a stream$', 'hello').catch(() => undefined);
  const [stream, body, headers] = forged({ stream: 'jump', version: 5 });
  await setting.publish(stream, body, {
    ...headers,
    'Nats-Expected-Last-Subject-Sequence': position.toString(),
  });
  const cut = forged({ stream: 'torn', version: 1, headers: { 'Sluice-Transaction': '1/2' } });
  await setting.publish(...cut);
  await gateway.client.append({ stream: 'after', events: newEvents(1) });
  const { code, lines, stderr } = await verify(natsUrl);
  expect(code).toBe(3);
  expect(lines).toEqual([
    expect.stringMatching(/^\d+ {2}by-hand {2}its headers are not those of a commit$/),
    expect.stringMatching(/^\d+ {2}jump {2}version 5 follows version 2$/),
    expect.stringMatching(/^\d+ {2}torn {2}the rest of its transaction is missing$/),
  ]);
  expect(stderr).toContain('3 faults');
}, 60_000);

test('a log that ends within a transaction', async () => {
  await using setting = await startWithStranger();
  await setting.gateway.client.append({ stream: 'a', events: newEvents(1) });
  await setting.publish(...forged({ stream: 'torn', version: 1, headers: { 'Sluice-Transaction': '1/2' } }));
  const { code, lines } = await verify(setting.natsUrl);
  expect({ code, lines }).toEqual({
    code: 3,
    lines: ['2  -  the log ends within a transaction or a commit in parts'],
  });
}, 60_000);

test('a log that has lost its first messages is backed up and restored as it is', async () => {
  await using nats = await startNats();
  {
    await using gateway = await startTestGateway([nats.url]);
    for (let i = 0; i < 30; i++)
      await gateway.client.append({ stream: 'old', events: newEvents(1, 500_000) });
  }
  await nats.stop();
  loseFirstBlock(nats.dataDir, 'EVENTS');
  await nats.start();
  const before = await verify(nats.url);
  expect(before.code).toBe(3);
  expect(before.lines[0]).toMatch(/the messages from position 1 on are gone$/);
  const folder = newFolder();
  await succeed('backup', folder, `--nats-url=${nats.url}`);
  expect(manifestOf(folder).counts.unreadable).toBeGreaterThan(0);
  await using target = await startNats();
  await succeed('restore', folder, `--nats-url=${target.url}`);
  expect(await verify(target.url)).toEqual(before);
}, 60_000);
