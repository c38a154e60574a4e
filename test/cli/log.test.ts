import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { buildOnce } from '../support/build';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { connectWire, type WireMessage } from '../support/wire-client';
import { runSluice } from './process';

const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
const levelFile = join(folder, 'level');
beforeAll(buildOnce);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

type Line = Readonly<Record<string, unknown>>;

/** The complete lines of its log so far. */
function linesOf({ process }: GatewayProcess): Line[] {
  const text = process.stderr();
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

async function lineWith(gateway: GatewayProcess, fields: Line): Promise<Line> {
  const find = (): Line | undefined =>
    linesOf(gateway).find((line) => Object.entries(fields).every(([name, value]) => line[name] === value));
  await until(() => find() !== undefined);
  return find() as Line;
}

function named(id: string): { metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set('x-request-id', id);
  return { metadata };
}

const append: WireMessage = { stream: 'a.1', events: [{ type: 'A' }] };
const rpc = (name: string): string => `/sluice.v1.EventStoreService/${name}`;

test('with the level debug, every call has a line: its id, RPC, caller, status and time', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url], ['--log-level=debug']);
  using wire = connectWire(gateway.address);
  await wire.unary('Append', append, named('one'));
  const refused = { ...append, expected_version: '7' };
  await wire.unary('Append', refused, named('two')).catch(() => undefined);
  const subscription = wire.open('Subscribe', {}, named('three')).on('error', () => undefined);
  await new Promise((resolve) => subscription.once('data', resolve));
  subscription.cancel();

  const line = await lineWith(gateway, { requestId: 'one' });
  expect(line).toMatchObject({
    level: 20,
    msg: 'call ended',
    rpc: rpc('Append'),
    principal: 'anonymous',
    peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as unknown,
    status: 'OK',
    tookMs: expect.any(Number) as unknown,
  });
  expect(line).not.toHaveProperty('error');
  expect(await lineWith(gateway, { requestId: 'two' })).toMatchObject({
    status: 'ABORTED',
    error: 'VERSION_CONFLICT',
  });
  expect(await lineWith(gateway, { requestId: 'three' })).toMatchObject({
    rpc: rpc('Subscribe'),
    status: 'CANCELLED',
  });
});

test('a reader of the log that reads nothing stops no append; what was dropped is counted', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url], ['--log-level=debug']);
  using wire = connectWire(gateway.address);
  gateway.process.pauseStderr();
  // Together several times what pipe and gateway hold.
  const metadata = new Metadata();
  metadata.set('x-request-id', 'r'.repeat(128));
  for (let i = 0; i < 150; i++)
    await Promise.all(
      Array.from({ length: 40 }, (_, j) =>
        wire.unary('Append', { ...append, stream: `s.${j}` }, { metadata }),
      ),
    );
  gateway.process.resumeStderr();
  const note = await lineWith(gateway, { msg: 'lines of the log were dropped' });
  expect(note['level']).toBe(40);
  expect(note['lines']).toBeGreaterThan(1_000);
  const calls = linesOf(gateway).filter((line) => line['msg'] === 'call ended').length;
  expect(calls + (note['lines'] as number)).toBeGreaterThanOrEqual(6_000);
  await wire.unary('Append', append, named('after'));
  await lineWith(gateway, { requestId: 'after' });
  gateway.process.signal('SIGTERM');
  expect(await gateway.process.ended()).toBe(0);
  expect(linesOf(gateway).at(-1)).toMatchObject({ msg: 'stopped' });
}, 120_000);

test('SIGHUP takes the level from the file; a file that cannot be used changes nothing', async () => {
  await using nats = await startNats();
  writeFileSync(levelFile, 'info\n');
  await using gateway = await startGatewayProcess([nats.url], [`--log-level-file=${levelFile}`]);
  using wire = connectWire(gateway.address);
  const reload = async (text: string, fields: Line): Promise<void> => {
    writeFileSync(levelFile, text);
    gateway.process.signal('SIGHUP');
    await lineWith(gateway, fields);
  };
  await wire.unary('Append', append, named('before'));
  await reload('debug', { msg: 'the log has another level', level: 30, to: 'debug', from: 'info' });
  await wire.unary('Append', append, named('during'));
  await lineWith(gateway, { requestId: 'during' });
  await reload('loud', { msg: 'the file of the log level cannot be used; the level stays' });
  await wire.unary('Append', append, named('still'));
  await lineWith(gateway, { requestId: 'still' });
  await reload('info', { msg: 'the log has another level', to: 'info' });
  await wire.unary('Append', append, named('afterwards'));
  const ids = linesOf(gateway).map((line) => line['requestId']);
  expect(ids).not.toContain('before');
  expect(ids).not.toContain('afterwards');
});

test('a level file that cannot be used, or a level beside it, ends the start', async () => {
  writeFileSync(levelFile, 'loud');
  const bad = await runSluice([`--log-level-file=${levelFile}`]);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toContain(
    '--log-level-file must be a file that can be read and holds one of trace, debug',
  );
  writeFileSync(levelFile, 'warn');
  const both = await runSluice([`--log-level-file=${levelFile}`, '--log-level=info']);
  expect(both.code).toBe(2);
  expect(both.stderr).toContain('--log-level and --log-level-file contradict each other');
});

test('a call that takes the gateway too long is logged as slow; a slow reader and a session are not', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url], ['--slow-call-ms=1000']);
  using wire = connectWire(gateway.address);
  // More than what waits on the way to a caller that does not read.
  const events = Array.from({ length: 10 }, () => ({ type: 'A', text: 'x'.repeat(80_000) }));
  for (let i = 0; i < 10; i++) await wire.unary('Append', { stream: 'big', events });
  const session = wire.duplex('AppendSession', named('session')).on('error', () => undefined);
  const reading = wire.open('ReadStream', { stream: 'big' }, named('slow reader'));
  reading.pause();

  nats.pause();
  const appending = wire.unary('Append', append, named('slow'));
  session.write({ appends: [{ tag: '1', append }] });
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  nats.resume();
  await appending;
  const line = await lineWith(gateway, { msg: 'slow call', requestId: 'slow' });
  expect(line).toMatchObject({ level: 40, rpc: rpc('Append'), status: 'OK' });
  expect(line['tookMs']).toBeGreaterThan(1_500);
  const messages: unknown[] = await reading.toArray();
  expect(messages.length).toBeGreaterThan(1);
  session.end();
  await session.toArray();
  gateway.process.signal('SIGTERM');
  await gateway.process.ended();
  const slow = linesOf(gateway).filter(({ msg }) => msg === 'slow call');
  expect(slow.map(({ rpc: name }) => name)).not.toContain(rpc('AppendSession'));
  expect(slow.map(({ requestId }) => requestId)).not.toContain('slow reader');
}, 60_000);
