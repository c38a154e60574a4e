import { once } from 'node:events';
import type { Socket } from 'node:net';
import { startGatewayProcess, withGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { patience } from '../support/patience';
import { connectWire, wireFailureOf, type WireMessage } from '../support/wire-client';
import { frame, greeting, headersOf, openSession, openSocket } from '../support/raw-http2';

/** Connections have a bound, an idle time and an age, and one that does not listen any more ends. */
const status = { unavailable: 14 };
const append = { stream: 'calm.1', events: [{ type: 'Fine' }] };

async function answersAnother(address: string): Promise<boolean> {
  using other = connectWire(address);
  // Not returned at once, or the client would be closed before.
  const isServed = await other.unary('GetVersion', { stream: 'calm.1' }).then(
    () => true,
    () => false,
  );
  return isServed;
}

test('a flood of connections leaves the others what they need', async () => {
  await using nats = await startNats();
  const openFilesMax = 600;
  await using gateway = await startGatewayProcess([nats.url], [], 0, openFilesMax);
  using wire = connectWire(gateway.address);
  await wire.unary('Append', append);
  let closed = 0;
  const sockets: Socket[] = [];
  const count = 1_500;
  for (let i = 0; i < count; i++) {
    const socket = await openSocket(gateway.address);
    socket.resume().once('close', () => closed++);
    sockets.push(socket);
  }
  // All but those that may be open.
  await until(() => closed > count - openFilesMax);
  for (let i = 0; i < 20; i++) await wire.unary('Append', append);
  // Connections that never greet end by themselves, which admits others.
  await until(() => closed === count, 25_000);
  await until(() => answersAnother(gateway.address));
  expect(gateway.process.stderr()).toContain('connections are refused');
  expect(gateway.process.stderr()).not.toMatch(/"level":(50|60)/);
  for (const socket of sockets) socket.destroy();
}, 90_000);

test('at most connections_max are open', () =>
  withGateway(['--connections-max=2'], async (wire, _nats, address) => {
    await wire.unary('Append', append); // the client of the gateway for tests connects when it is used
    const open = await Promise.all([1, 2, 3].map(() => openSocket(address)));
    await until(() => open.some((socket) => socket.resume().closed));
    await wire.unary('Append', append);
    for (const socket of open) socket.destroy();
  }));

test('a connection without calls ends after connection_idle_ms, and its client opens another one', () =>
  withGateway(['--connection-idle-ms=1000'], async (wire, _nats, address) => {
    const session = openSession(address);
    const goaway = once(session, 'goaway');
    await wire.unary('Append', append);
    const [code] = (await goaway) as [number];
    expect(code).toBe(0);
    await until(() => session.destroyed);
    const waiting = wire.open('Subscribe', { stream: 'calm.1', from_now: true });
    const messages: WireMessage[] = [];
    waiting.on('error', () => undefined).on('data', (message: WireMessage) => messages.push(message));
    await until(() => messages.length > 0);
    // One with a call is not idle.
    const started = Date.now();
    await until(() => Date.now() - started > 3_000);
    await wire.unary('Append', append);
    await until(() => messages.some((message) => message['events'] !== undefined));
    waiting.cancel();
  }));

test('a connection that reaches its greatest age ends without harm to its calls', () =>
  withGateway(['--connection-age-max-ms=2000'], async (wire) => {
    const subscription = wire.open('Subscribe', { stream: 'calm.1' });
    const messages: WireMessage[] = [];
    subscription.on('data', (message: WireMessage) => messages.push(message));
    const ended = wireFailureOf(once(subscription, 'end'));
    let isOver = false;
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      let count = 0;
      for (; !isOver || count < 10; count++)
        await wire.unary('Append', { ...append, stream: `calm.${lane + 1}` });
      return count;
    });
    expect(await ended).toMatchObject({
      code: status.unavailable,
      message: 'the connection ends; others can be opened',
    });
    expect(messages.at(-1)).toHaveProperty('draining');
    isOver = true;
    const counts = await Promise.all(lanes);
    const { version } = await wire.unary('GetVersion', { stream: 'calm.1' });
    expect(version).toBe(counts[0]?.toString());
  }));

test('connections that were opened together do not all end together at their greatest age', () =>
  withGateway(['--connection-age-max-ms=5000'], async (_wire, _nats, address) => {
    const openedMs = performance.now();
    const sessions = Array.from({ length: 60 }, () => openSession(address));
    const agesMs = await Promise.all(
      sessions.map(async (session) => {
        await once(session, 'goaway');
        return performance.now() - openedMs;
      }),
    );
    for (const session of sessions) session.destroy();
    // Plus or minus a tenth; the gateway looks at its connections twice a second.
    expect(Math.min(...agesMs)).toBeGreaterThanOrEqual(4_450);
    expect(Math.max(...agesMs)).toBeLessThan(7_000 * patience);
    expect(Math.max(...agesMs) - Math.min(...agesMs)).toBeGreaterThan(400);
  }));

test('calls of a connection at its greatest age are cut off after connection_age_grace_ms', () =>
  withGateway(['--connection-age-max-ms=1000', '--connection-age-grace-ms=1000'], async (wire) => {
    const events = Array.from({ length: 60 }, () => ({ type: 'Large', text: 'x'.repeat(50_000) }));
    await wire.unary('Append', { stream: 'calm.large', events });
    const read = wire.open('ReadStream', { stream: 'calm.large', page: { events_max: 1 } });
    await once(read, 'data');
    read.pause();
    const startedMs = performance.now();
    expect(await wireFailureOf(once(read, 'end'))).toMatchObject({ code: status.unavailable });
    expect(performance.now() - startedMs).toBeLessThan(6_000 * patience);
  }));

test(
  'a connection that the gateway does not hear any more is closed',
  () =>
    withGateway([], async (wire, _nats, address) => {
      const data = 0;
      const endStream = 1;
      const neverOpened = 99;
      const socket = await openSocket(address);
      socket.resume().write(greeting(frame(data, endStream, neverOpened, Buffer.from('data'))));
      const started = Date.now();
      await until(() => socket.writable && Date.now() - started > 1_500);
      socket.write(headersOf('GetVersion', 1));
      await until(() => socket.closed, 25_000);
      await wire.unary('Append', append);
    }),
  60_000,
);
