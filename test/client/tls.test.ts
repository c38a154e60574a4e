import { readFileSync } from 'node:fs';
import { connect, UnavailableError, type ClientTls, type ConnectOptions } from '../../src/client/client';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { haveOpenssl } from '../support/tools';
import { failureOf } from './outcomes';

/** A client against a gateway with TLS, as docs/operations/security.md says to set it up. */
(haveOpenssl() ? describe : describe.skip)('over TLS', () => {
  let ours: Authority;
  let others: Authority;
  let gatewayCertificate: Certificate;
  beforeAll(async () => {
    [ours, others] = await Promise.all([makeAuthority(), makeAuthority()]);
    gatewayCertificate = await ours.issue('gateway');
  });
  afterAll(() => {
    ours[Symbol.dispose]();
    others[Symbol.dispose]();
  });

  const serverArgs = (): string[] => [
    `--tls-cert=${gatewayCertificate.cert}`,
    `--tls-key=${gatewayCertificate.key}`,
  ];
  const mutualArgs = (): string[] => [...serverArgs(), `--tls-client-ca=${ours.ca}`];
  const ca = (authority: Authority): string => readFileSync(authority.ca, 'utf8');
  async function identity(authority: Authority): Promise<ClientTls> {
    const { cert, key } = await authority.issue('client');
    return { cert: readFileSync(cert), key: readFileSync(key) };
  }

  /** Appends to a gateway that was started with these flags. */
  async function appendOver(args: string[], tls: ClientTls | true | undefined): Promise<bigint> {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url], args);
    const address = gateway.address.replace('127.0.0.1', 'localhost');
    using client = connect(address, { tls, appendAttemptsMax: 3 });
    const { version } = await client.append('tls.1', [{ type: 'Happened' }]);
    return version;
  }

  async function refusalOver(args: string[], tls: ClientTls | true | undefined): Promise<string> {
    const error = await failureOf(appendOver(args, tls));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', status: 14 });
    return (error as UnavailableError).message;
  }

  test('a gateway whose certificate the authority signed is trusted', async () => {
    expect(await appendOver(serverArgs(), { ca: ca(ours) })).toBe(1n);
  });

  test('a gateway with a certificate of another authority is refused', async () => {
    expect(await refusalOver(serverArgs(), { ca: ca(others) })).toContain('certificate');
    expect(await refusalOver(serverArgs(), true)).toContain('certificate');
  });

  test('a gateway is reached by its address, if the certificate is one for that address', async () => {
    await using nats = await startNats();
    const reach = async (names: string, host: string, options: ConnectOptions = {}): Promise<bigint> => {
      const { cert, key } = await ours.issue('addressed', names);
      const args = [`--tls-cert=${cert}`, `--tls-key=${key}`];
      await using gateway = await startTestGateway([nats.url], args);
      const [, port = ''] = gateway.address.split(':');
      using client = connect(`${host}:${port}`, { tls: { ca: ca(ours) }, ...options });
      return (await client.getVersion('tls.none', { deadlineMs: 10_000 })).version;
    };
    expect(await reach('IP:127.0.0.1', '127.0.0.1')).toBe(0n);
    expect(await reach('IP:127.0.0.1', 'ipv4:127.0.0.1')).toBe(0n);
    expect(await reach('IP:127.0.0.1', 'dns:///127.0.0.1')).toBe(0n);
    for (const names of ['IP:127.0.0.2', 'DNS:localhost,DNS:address.invalid']) {
      const error = await failureOf(reach(names, '127.0.0.1'));
      expect(error).toBeInstanceOf(UnavailableError);
      expect((error as Error).message).toContain("does not match certificate's altnames");
    }
    const named = (name: string): ConnectOptions => ({
      channelOptions: { 'grpc.ssl_target_name_override': name },
    });
    expect(await reach('DNS:gateway.test', '127.0.0.1', named('gateway.test'))).toBe(0n);
    const other = await failureOf(reach('IP:127.0.0.1', '127.0.0.1', named('gateway.test')));
    expect((other as Error).message).toContain('gateway.test');
  });

  test('a client without TLS cannot connect', async () => {
    await refusalOver(serverArgs(), undefined);
  });

  test('with mutual TLS a client presents its certificate', async () => {
    expect(await appendOver(mutualArgs(), { ca: ca(ours), ...(await identity(ours)) })).toBe(1n);
  });

  test('with mutual TLS a client without a certificate, or with one of another authority, is refused', async () => {
    await refusalOver(mutualArgs(), { ca: ca(ours) });
    await refusalOver(mutualArgs(), { ca: ca(ours), ...(await identity(others)) });
  });

  test('a certificate without its key is refused at once', async () => {
    const { cert } = await identity(ours);
    expect(() => connect('127.0.0.1:1', { tls: { cert } })).toThrow(/key/);
  });
});
