import { readFileSync } from 'node:fs';
import { connect, UnavailableError, type ClientTls } from '../../src/client/client';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { haveOpenssl } from '../support/tools';
import { failureOf } from './outcomes';

/** A client against a gateway with TLS, as docs/operations.md says to set it up. */
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
    using client = connect(gateway.address.replace('127.0.0.1', 'localhost'), { tls });
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

  test('a client without TLS gets nowhere', async () => {
    await refusalOver(serverArgs(), undefined);
  });

  test('with mutual TLS a client shows its certificate', async () => {
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
