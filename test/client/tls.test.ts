import { readFileSync } from 'node:fs';
import { connect, UnavailableError, type ClientTls } from '../../src/client/client';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { hasOpenssl, makeCertificates, type Certificates } from './certificates';
import { failureOf } from './outcomes';

/** A client against a gateway with TLS, as docs/operations.md says to set it up. */
const withOpenssl = hasOpenssl() ? describe : describe.skip;

withOpenssl('over TLS', () => {
  let ours: Certificates;
  let others: Certificates;
  beforeAll(() => {
    ours = makeCertificates();
    others = makeCertificates();
  });
  afterAll(() => {
    ours[Symbol.dispose]();
    others[Symbol.dispose]();
  });

  const serverArgs = (): string[] => [`--tls-cert=${ours.gateway.cert}`, `--tls-key=${ours.gateway.key}`];
  const mutualArgs = (): string[] => [...serverArgs(), `--tls-client-ca=${ours.ca}`];
  const ca = (certificates: Certificates): string => readFileSync(certificates.ca, 'utf8');
  const identity = ({ client }: Certificates): ClientTls => ({
    cert: readFileSync(client.cert),
    key: readFileSync(client.key),
  });

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
    expect(await appendOver(mutualArgs(), { ca: ca(ours), ...identity(ours) })).toBe(1n);
  });

  test('with mutual TLS a client without a certificate, or with one of another authority, is refused', async () => {
    await refusalOver(mutualArgs(), { ca: ca(ours) });
    await refusalOver(mutualArgs(), { ca: ca(ours), ...identity(others) });
  });

  test('a certificate without its key is refused at once', () => {
    const { cert } = identity(ours);
    expect(() => connect('127.0.0.1:1', { tls: { cert } })).toThrow(/key/);
  });
});
