import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';

/** The NATS client notices only after its time-out that a connection has ended before its greeting. */

interface GreetingRelay extends AsyncDisposable {
  /** host:port */
  readonly address: string;
  /** Cuts all connections, and this many greetings of each that comes back. */
  cut(greetings: number): void;
}

/** A relay to a port on loopback, which knows connections by their names. */
async function startGreetingRelay(port: number): Promise<GreetingRelay> {
  const sockets = new Set<Socket>();
  const left = new Map<string, number>();
  let greetingsToCut = 0;
  const isCut = (greeting: string): boolean => {
    const name = /"name":"([^"]+)"/.exec(greeting)?.[1] ?? '';
    const rest = left.get(name) ?? greetingsToCut;
    left.set(name, rest - 1);
    return rest > 0;
  };
  const relay = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    server.pipe(client);
    client.once('data', (greeting) => {
      if (isCut(greeting.toString())) client.destroy();
      else {
        server.write(greeting);
        client.pipe(server);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(relay.address() as AddressInfo).port.toString()}`,
    cut(greetings) {
      greetingsToCut = greetings;
      left.clear();
      endAll();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(relay.close(), 'close');
      endAll();
      await closed;
    },
  };
}

test('an append survives two connections in a row that end before their greeting', async () => {
  await using nats = await startNats();
  await using relay = await startGreetingRelay(nats.port);
  await using gateway = await startTestGateway([`nats://${relay.address}`]);
  const stream = 'greeted';
  await gateway.client.append({ stream, events: newEvents(1) });
  relay.cut(2);
  const { version } = await gateway.client.append({ stream, events: newEvents(1) });
  expect(version).toBe(2n);
}, 60_000);
