import { once } from 'node:events';
import type { Http2Server, ServerHttp2Session } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import pino from 'pino';
import { createConnections } from '../../src/grpc/connections';
import { adjustHttp2 } from '../../src/grpc/http2-server';
import { defaultLimits } from '../../src/limits';
import { CompactingMap } from '../../src/collections/compacting-map';
import { until } from '../support/nats-server';
import { openSession } from '../support/raw-http2';

test('a connection keeps its streams steadily, whatever this version of Node does', async () => {
  const server = new Server();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const connections = createConnections(defaultLimits, pino({ level: 'silent' }));
  adjustHttp2(server, connections, defaultLimits);
  const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
  const [http2Server] = http2Servers.keys();
  const coming = once(http2Server as Http2Server, 'session') as Promise<[ServerHttp2Session]>;
  const client = openSession(`127.0.0.1:${port}`);
  try {
    const [session] = await coming;
    const states = Object.getOwnPropertySymbols(session).map(
      (symbol) => (session as unknown as Record<symbol, { readonly streams?: unknown } | undefined>)[symbol],
    );
    const kept = states.flatMap((state) => state?.streams ?? []);
    expect(kept).toHaveLength(1);
    expect(kept[0]).toBeInstanceOf(CompactingMap);
    const call = client.request({ ':method': 'POST', ':path': '/none', 'content-type': 'application/grpc' });
    const [headers] = (await once(call, 'response')) as [Record<string, unknown>];
    expect(headers['grpc-status']).toBe('12'); // UNIMPLEMENTED
    call.close();
    await until(() => (kept[0] as CompactingMap<number, object>).size === 0);
  } finally {
    client.destroy();
    connections.end();
    server.forceShutdown();
  }
});
