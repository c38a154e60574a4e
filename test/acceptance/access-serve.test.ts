import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { credentials, status } from '@grpc/grpc-js';
import { linesOf } from '../cli/gateway-commands';
import { refusedStart } from '../cli/process';
import { AccessDeniedError, connect, UnauthenticatedError, type SluiceClient } from '../../src/client/client';
import { makeAuthFile, type Principals } from '../support/access';
import { makeAuthority } from '../support/certificates';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { grpcurlPath, haveOpenssl, temporaryFolder } from '../support/tools';
import { connectWire, wireFailureOf } from '../support/wire-client';

/** How a gateway gets its auth file, and how it follows it. */

const everything: Principals = {
  ops: { grants: [{ actions: ['append', 'read', 'subscribe', 'info', 'admin'], streams: ['>'] }] },
};
const onlyOrders: Principals = { ops: { grants: [{ actions: ['append'], streams: ['order.>'] }] } };

let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

function fileWith(content: string): string {
  const path = join(mkdtempSync(join(temporaryFolder(), 'auth-')), 'auth.json');
  writeFileSync(path, content);
  return path;
}

const appended = (client: SluiceClient, stream: string): Promise<unknown> =>
  client.append(stream, [{ type: 'A' }]);

test('a broken auth file ends the start with exit code 2 and all problems, before anything is opened', async () => {
  const path = fileWith(
    JSON.stringify({
      rolls: {},
      tokens: [{ id: 'ci', sha256: 'short', principal: 'ci', roles: ['nobody-knows'] }],
    }),
  );
  // Nothing listens on this port: a start that gets that far ends with exit code 3.
  const { code, stdout, stderr } = await refusedStart([
    `--auth-file=${path}`,
    '--nats-url=nats://127.0.0.1:9',
  ]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`sluice: the auth file ${path} cannot be used:`);
  expect(stderr).toContain('has the unknown field rolls; did you mean roles?');
  expect(stderr).toContain('tokens[0].sha256 must be 64 hexadecimal digits');
  expect(stderr).toMatch(/tokens\[0\]\.roles\[0\] must be one of the roles of the file/);
  const named = fileWith(JSON.stringify({ certificates: { crl_file: 'missing.pem' } }));
  const missing = await refusedStart([`--auth-file=${named}`, '--nats-url=nats://127.0.0.1:9']);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain('certificates.crl_file cannot be read: ENOENT');
});

test('SIGHUP has it read at once; a broken one changes nothing', async () => {
  const file = makeAuthFile(everything);
  await using gateway = await startGatewayProcess([nats.url], [`--auth-file=${file.path}`]);
  const { process } = gateway;
  using client = connect(gateway.address, { token: file.tokenOf('ops') });
  await appended(client, 'hup.1');
  const hangUp = async (message: RegExp): Promise<void> => {
    process.signal('SIGHUP');
    await until(() => message.test(process.stderr()));
  };
  const good = readFileSync(file.path, 'utf8');
  writeFileSync(file.path, good.slice(0, -1));
  await hangUp(/"level":50,.*"problems":\[.*"generation":1,.*the auth file cannot be used; nothing changes/);
  await appended(client, 'hup.1');
  file.write(onlyOrders);
  await hangUp(/"generation":2,.*a new generation of the auth file is in force/);
  await expect(appended(client, 'hup.1')).rejects.toThrow(AccessDeniedError);
  await appended(client, 'order.1');
  expect(process.stderr()).not.toContain(file.tokenOf('ops'));
});

test('it decides about callers over a Unix socket as well', async () => {
  const file = makeAuthFile(onlyOrders);
  const folder = mkdtempSync(join(temporaryFolder(), 'socket-'));
  const audited = join(folder, 'audit.jsonl');
  const content = JSON.parse(readFileSync(file.path, 'utf8')) as object;
  writeFileSync(file.path, JSON.stringify({ ...content, audit: { file: audited, events: 'all' } }));
  const flags = [`--listen=unix:${join(folder, 's.sock')}`, `--auth-file=${file.path}`];
  await using gateway = await startTestGateway([nats.url], flags);
  using client = connect(gateway.address, { token: file.tokenOf('ops') });
  await appended(client, 'order.socket');
  await expect(appended(client, 'other.socket')).rejects.toThrow(AccessDeniedError);
  using stranger = connect(gateway.address);
  await expect(appended(stranger, 'order.socket')).rejects.toThrow(UnauthenticatedError);
  await until(() => linesOf(readFileSync(audited, 'utf8')).length >= 3);
  const lines = linesOf(readFileSync(audited, 'utf8'));
  expect(lines.map(({ principal, peer }) => [principal, peer])).toEqual([
    ['token:ops', 'unix'],
    ['token:ops', 'unix'],
    ['', 'unix'],
  ]);
});

const grpcurl = grpcurlPath();
(grpcurl === undefined ? test.skip : test).each(['on', 'authenticated'])(
  'the line of the banner works with a token in the file `me.token`, with reflection %s',
  async (reflection) => {
    const file = makeAuthFile(everything);
    const flags = [`--auth-file=${file.path}`, `--reflection=${reflection}`];
    await using gateway = await startGatewayProcess([nats.url], flags);
    const banner = gateway.process.stdout();
    expect(banner).toContain(`\nAccess control is on: ${file.path} says what callers may do.\n`);
    const line = /^ {2}grpcurl (.*)$/m.exec(banner)?.[1] ?? '';
    const cwd = mkdtempSync(join(temporaryFolder(), 'banner-'));
    writeFileSync(join(cwd, 'me.token'), `${file.tokenOf('ops')}\n`);
    const env = { ...process.env, GRPCURL: grpcurl };
    const { stdout } = await promisify(execFile)('sh', ['-c', `"$GRPCURL" ${line}`], { cwd, env });
    expect(JSON.parse(stdout)).toHaveProperty('version');
  },
);

(haveOpenssl() ? test : test.skip)(
  'with optional client certificates, each caller comes as it likes',
  async () => {
    using authority = await makeAuthority();
    using stranger = await makeAuthority();
    const server = await authority.issue('server');
    const file = makeAuthFile(everything);
    const content = JSON.parse(readFileSync(file.path, 'utf8')) as { principals: object };
    const rules = [{ dns: 'orders.internal', principal: 'orders' }];
    const principals = { ...content.principals, 'cert:orders': { grants: [{ actions: ['info'] }] } };
    writeFileSync(file.path, JSON.stringify({ ...content, principals, certificates: { rules } }));
    const tls = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.ca];
    const flags = [...tls, '--tls-client-cert=optional', `--auth-file=${file.path}`];
    await using gateway = await startTestGateway([nats.url], flags);
    const address = gateway.address.replace('127.0.0.1', 'localhost');
    const ca = readFileSync(authority.ca);
    const principalOf = async (own?: { cert: string; key: string }, token?: string): Promise<unknown> => {
      const shown = own && ([readFileSync(own.key), readFileSync(own.cert)] as const);
      using wire = connectWire(address, { security: credentials.createSsl(ca, ...(shown ?? [])), token });
      const info = wire
        .unary('GetServerInfo', {})
        .then(({ access }) => (access as { principal: string }).principal);
      return await info.catch(async () => (await wireFailureOf(info)).code);
    };
    const token = file.tokenOf('ops');
    const [orders, other] = [
      await authority.issue('orders', 'DNS:orders.internal'),
      await authority.issue('other', 'DNS:other.internal'),
    ];
    expect(await principalOf(orders)).toBe('cert:orders');
    expect(await principalOf(undefined, token)).toBe('token:ops');
    expect(await principalOf(orders, token)).toBe('token:ops');
    expect(await principalOf()).toBe(status.UNAUTHENTICATED);
    expect(await principalOf(other)).toBe(status.UNAUTHENTICATED);
    const foreign = await stranger.issue('orders', 'DNS:orders.internal');
    expect(await principalOf(foreign)).toBe(status.UNAVAILABLE);
    expect(await principalOf(foreign, token)).toBe(status.UNAVAILABLE);
  },
);
