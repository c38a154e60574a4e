import { connect } from 'nats';
import { refusedStart } from '../cli/process';
import { newEvents } from '../support/attempts';
import { makeAuthority } from '../support/certificates';
import { startGatewayProcess, startTestGateway, type GatewayProcess } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { startTcpRelay } from '../support/tcp-relay';
import { haveOpenssl } from '../support/tools';

/** /livez and /readyz of a gateway. */

const anyPort = '--http-listen=127.0.0.1:0';

interface Health {
  readonly status: number;
  /** What is wrong, by the name of the check. */
  readonly problems: Readonly<Record<string, string>>;
  readonly names: readonly string[];
}

async function ask(http: string | undefined, path: '/livez' | '/readyz'): Promise<Health> {
  const response = await fetch(`${http ?? ''}${path}`);
  expect(response.headers.get('content-type')).toBe('application/json');
  const { ok, checks } = (await response.json()) as {
    ok: boolean;
    checks: { name: string; ok: boolean; problem?: string }[];
  };
  expect(ok).toBe(response.status === 200);
  const failed = checks.filter((check) => !check.ok);
  expect(failed.length === 0).toBe(ok);
  return {
    status: response.status,
    problems: Object.fromEntries(failed.map(({ name, problem = '' }) => [name, problem])),
    names: checks.map(({ name }) => name),
  };
}

function httpOf({ process }: GatewayProcess): string {
  return /metrics and health are on (http:\S+):/.exec(process.stdout())?.[1] ?? '';
}

test('a gateway that serves is alive and ready, and says what was checked', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], [anyPort]);
  expect(await ask(gateway.http, '/livez')).toEqual({ status: 200, problems: {}, names: ['disk'] });
  expect(await ask(gateway.http, '/readyz')).toEqual({
    status: 200,
    problems: {},
    names: ['serving', 'disk', 'nats', 'replica', 'certificate'],
  });
});

test('without NATS it is alive and not ready, until NATS is back', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], [anyPort], { natsPingIntervalMs: 500 });
  nats.pause();
  const lost = 'no connection to NATS for append, read';
  await until(async () => (await ask(gateway.http, '/readyz')).problems['nats'] === lost, 30_000);
  expect((await ask(gateway.http, '/readyz')).status).toBe(503);
  expect((await ask(gateway.http, '/livez')).status).toBe(200);
  nats.resume();
  await until(async () => (await ask(gateway.http, '/readyz')).status === 200, 30_000);
}, 90_000);

test('while the replica is filled it is not ready', async () => {
  await using nats = await startNats();
  {
    await using writer = await startTestGateway([nats.url]);
    for (let i = 0; i < 40; i++)
      await Promise.all(
        Array.from({ length: 50 }, (_, at) =>
          writer.client.append({ stream: `old.${at.toString()}`, events: newEvents(1, 1_000) }),
        ),
      );
  }
  await using relay = await startTcpRelay(nats.port);
  relay.slowDown(150_000);
  await using gateway = await startTestGateway([`nats://${relay.address}`], [anyPort]);
  expect((await ask(gateway.http, '/readyz')).problems).toEqual({ replica: 'the replica is being filled' });
  relay.slowDown(100_000_000);
  await until(async () => (await ask(gateway.http, '/readyz')).status === 200, 30_000);
}, 90_000);

test('a replica that is behind the log makes it not ready, until it has caught up', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], [anyPort], { readyLagMaxMs: 500 });
  expect((await ask(gateway.http, '/readyz')).status).toBe(200);
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager();
  const [consumer] = await manager.consumers.list('EVENTS').next();
  await manager.consumers.pause('EVENTS', consumer?.name ?? '', new Date(Date.now() + 3_600_000));
  await connection.close();
  await gateway.client.append({ stream: 'a', events: newEvents(1) });
  await until(async () => (await ask(gateway.http, '/readyz')).status === 503);
  expect((await ask(gateway.http, '/readyz')).problems['replica']).toMatch(
    /^the replica has been behind the log for \d+ s, by 1 commits$/,
  );
  await until(async () => (await ask(gateway.http, '/readyz')).status === 200, 30_000);
}, 60_000);

(haveOpenssl() ? test : test.skip)('with a certificate that has expired it is not ready', async () => {
  using authority = await makeAuthority();
  const { cert, key } = await authority.issueFor('late', -1);
  await using nats = await startNats();
  const flags = [anyPort, '--tls-cert', cert, '--tls-key', key];
  await using gateway = await startTestGateway([nats.url], flags);
  const { status, problems } = await ask(gateway.http, '/readyz');
  expect(status).toBe(503);
  expect(problems['certificate']).toMatch(/^the certificate expired at 20/);
});

test('while it stops it is alive and not ready, and gRPC ends before HTTP', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url], [anyPort, '--drain-wait-ms=2000']);
  const http = httpOf(gateway);
  expect((await ask(http, '/readyz')).status).toBe(200);
  gateway.process.signal('SIGTERM');
  await until(async () => (await ask(http, '/readyz')).status === 503);
  expect((await ask(http, '/readyz')).problems).toEqual({ serving: 'the gateway is stopping' });
  expect((await ask(http, '/livez')).status).toBe(200);
  expect(await gateway.process.ended()).toBe(0);
  await expect(fetch(`${http}/livez`)).rejects.toThrow();
});

test('a port that is taken ends the start with exit code 4, and the message says how to go on', async () => {
  await using nats = await startNats();
  await using first = await startTestGateway([nats.url], [anyPort]);
  const taken = first.http?.replace('http://', '') ?? '';
  const flags = ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, `--http-listen=${taken}`];
  const { code, stderr } = await refusedStart(flags);
  expect(code).toBe(4);
  expect(stderr).toContain(
    `cannot listen on ${taken} for HTTP: the port is in use; choose another --http-listen, or off`,
  );
});

test('with off, nothing listens for HTTP', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url], ['--http-listen=off']);
  expect(httpOf(gateway)).toBe('');
});
