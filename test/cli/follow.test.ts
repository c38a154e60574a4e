import { until } from '../support/nats-server';
import { startGatewayProcess } from '../support/gateway';
import { connectRpc } from '../support/rpc-client';
import { startTcpRelay } from '../support/tcp-relay';
import { linesOf, startCommandGateway, type CommandGateway } from './gateway-commands';
import { startSluice } from './process';

let gateway: CommandGateway;
beforeAll(async () => {
  gateway = await startCommandGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

const append = (stream: string, type = 'A') => gateway.client.append(stream, [{ type, data: stream }]);

/** Waits until a subscription is open, so that later events are new for it. */
async function subscribed(): Promise<void> {
  await until(async () => ((await gateway.client.serverInfo()).store?.consumerCount ?? 0) > 0);
}

test('read --follow prints stored events, then new ones, and ends with 130 after SIGINT', async () => {
  for (const type of ['A', 'B', 'A']) await append('live.1', type);
  await using reader = await gateway.start(['read', 'live.1', '--from', '2', '--follow', '--json']);
  await until(() => reader.stdout().split('\n').length === 3);
  await append('live.2');
  await append('live.1', 'C');
  await until(() => reader.stdout().split('\n').length === 4);
  reader.signal('SIGINT');
  expect(await reader.ended()).toBe(130);
  expect(linesOf(reader.stdout()).map(({ version, type }) => [version, type])).toEqual([
    ['2', 'B'],
    ['3', 'A'],
    ['4', 'C'],
  ]);
  expect(reader.stderr()).toBe('');
});

test('tail starts now, at a position or at a time, and ends after --max-count', async () => {
  const first = await gateway.client.append('tail.a.1', [{ type: 'A' }, { type: 'B' }], {
    withCommitTime: true,
  });
  await append('tail.b.1');
  await append('tail.a.2');
  const streams = async (...args: string[]): Promise<unknown[]> =>
    (await gateway.json(['tail', 'tail.>', ...args])).map(({ stream }) => stream);
  const from = first.position.toString();
  expect(await streams('--from', from, '--max-count', '4')).toEqual([
    'tail.a.1',
    'tail.a.1',
    'tail.b.1',
    'tail.a.2',
  ]);
  const [event] = await gateway.json(['read', 'tail.b.1']);
  expect(await streams('--from', String(event?.['commitTime']), '--max-count', '2')).toEqual([
    'tail.b.1',
    'tail.a.2',
  ]);
  expect(
    await gateway.output(['tail', 'tail.a.*', 'tail.b.1', '--from=0', '--type=B', '--max-count=1']),
  ).toMatch(/\ttail\.a\.1\t2\tB\t\n$/);
  await using tail = await gateway.start(['tail', 'tail.a.*', '--max-count', '2']);
  await subscribed();
  // Events that are stored before the subscription starts are not new, so it appends until two have arrived.
  await until(async () => {
    await append('tail.b.1');
    await append('tail.a.3');
    return tail.stdout().split('\n').length > 2;
  });
  expect(await tail.ended()).toBe(0);
  expect(
    tail
      .stdout()
      .trimEnd()
      .split('\n')
      .map((row) => row.split('\t')[2]),
  ).toEqual(['tail.a.3', 'tail.a.3']);
});

test('tail continues when the gateway is restarted, and reports it', async () => {
  const args = ['--store-name=RESTART', '--store-prefix=restart'];
  await using before = await startGatewayProcess([gateway.nats.url], args);
  await using tail = await startSluice(['tail', '--from=0', '--json', '--address', before.address]);
  await before.client.append({ stream: 'x', events: [{ type: 'A' }] });
  await until(() => tail.stdout() !== '');
  before.process.signal('SIGTERM');
  await before.process.ended();
  const flags = [...args, `--nats-url=${gateway.nats.url}`, `--listen=${before.address}`];
  await using after = await startSluice(flags);
  using again = connectRpc(await after.serving());
  await again.append({ stream: 'x', events: [{ type: 'B' }] });
  await until(() => tail.stdout().split('\n').length === 3, 30_000);
  tail.signal('SIGTERM');
  expect(await tail.ended()).toBe(143);
  expect(linesOf(tail.stdout()).map(({ type }) => type)).toEqual(['A', 'B']);
  expect(tail.stderr()).toMatch(/^sluice: .*; trying again$/m);
  expect(tail.stderr()).not.toContain('Resolution note');
});

test('tail prints each event of a transaction once, whenever its connection is lost', async () => {
  const data = 'x'.repeat(60_000);
  const events = Array.from({ length: 6 }, () => ({ type: 'Large', data }));
  await gateway.client.appendMulti([
    { stream: 'cut.b', events },
    { stream: 'cut.a', events },
  ]);
  const expected = ['cut.b', 'cut.a'].flatMap((stream) => events.map((_, index) => [stream, `${index + 1}`]));
  const args = ['tail', 'cut.*', '--from=0', '--max-count=12', '--json'];
  for (const bytes of [100_000, 300_000, 500_000, 600_000]) {
    await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    relay.loseAnswersAfter(bytes);
    await using tail = await startSluice([...args, '--address', relay.address]);
    await until(() => relay.isLosing, 30_000);
    relay.heal();
    expect(await tail.ended()).toBe(0);
    expect(linesOf(tail.stdout()).map(({ stream, version }) => [stream, version])).toEqual(expected);
  }
});
