import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { connectWire } from '../support/wire-client';
import { frame, greeting } from '../support/raw-http2';

/** What comes to the port and is not gRPC. The gateway is a process of its own, which must not end. */
let nats: TestNats;
let gateway: GatewayProcess;
const sockets: Socket[] = [];

beforeAll(async () => {
  nats = await startNats();
  gateway = await startGatewayProcess([nats.url], ['--shutdown-timeout-ms=1000']);
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

async function open(): Promise<Socket> {
  const [host = '', port = ''] = gateway.address.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function expectItServes(): Promise<void> {
  using fresh = connectWire(gateway.address);
  await fresh.unary('Append', { stream: 'connections.1', events: [{ type: 'Fine' }] });
  expect(await gateway.client.health()).toBe(1);
  expect(gateway.process.stderr()).not.toMatch(/"level":(50|60)/);
}

const preface = greeting().subarray(0, 24).toString();

const ended = {
  'plain HTTP/1.1': Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  'random bytes': Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 7919 + 13) % 251)),
  'a TLS greeting': Buffer.from('16030100c8010000c40303' + '00'.repeat(200), 'hex'),
  'a preface, then nonsense': Buffer.concat([Buffer.from(preface), Buffer.alloc(4_096, 0xff)]),
  'a frame that is too large': greeting(frame(0, 0, 1, Buffer.alloc(1 << 20))),
  'data on a stream that was never opened': greeting(frame(0, 1, 99, Buffer.from('data'))),
  'headers that are not HPACK': greeting(frame(1, 5, 1, Buffer.alloc(64, 0xff))),
};

/** Whether these bytes have a whole GOAWAY frame with an error in them. */
function saysGoodbye(bytes: Buffer): boolean {
  const goaway = 7;
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes[at + 3] === goaway && at + 17 <= bytes.length) return bytes.readUInt32BE(at + 13) !== 0;
  }
  return false;
}

test.each(Object.entries(ended))('%s ends the connection and harms no other', async (_name, bytes) => {
  const socket = await open();
  let received = Buffer.alloc(0);
  socket.on('data', (data) => (received = Buffer.concat([received, data])));
  socket.write(bytes);
  // After a GOAWAY, the gateway waits a while for the client to close.
  await until(() => socket.closed || saysGoodbye(received));
  socket.destroy();
  await expectItServes();
});

const left = {
  nothing: Buffer.alloc(0),
  'half a preface': Buffer.from(preface.slice(0, 12)),
  'a preface alone': Buffer.from(preface),
  'half a frame': greeting(Buffer.from([0, 0, 10])),
  'headers without an end': greeting(frame(1, 0, 1, Buffer.from([0x82]))),
};

test.each(Object.entries(left))(
  'fifty connections that send %s and are left harm no other',
  async (_name, bytes) => {
    const opened = await Promise.all(Array.from({ length: 50 }, open));
    for (const socket of opened) socket.write(bytes);
    await expectItServes();
    // Half of them go away without a goodbye, half are left for the end of the tests.
    for (const socket of opened.slice(25)) socket.resetAndDestroy();
    await expectItServes();
  },
);

test('connections whose other side is stuck do not keep the gateway from stopping', async () => {
  gateway.process.signal('SIGTERM');
  expect(await gateway.process.ended()).toBe(0);
  expect(gateway.process.stderr()).toContain('cutting them off');
});
