import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { buildDex, canBuildDex, startDex } from '../support/dex';
import { startTestGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { connectRpc } from '../support/rpc-client';

/*
 * A real identity provider: Dex, built by Go. It issues id tokens for a user with a password, publishes its keys and rotates them.
 * What Dex cannot do wrong is tested with an issuer in this repository, test/support/oidc-issuer.ts.
 */
const isRun = canBuildDex() || process.env['CI'] === 'true';
if (!isRun) process.stderr.write('SKIPPED: Dex, which needs Go and a C compiler\n');
const whenBuilt = isRun ? test : test.skip;

const folder = mkdtempSync(join(tmpdir(), 'sluice-provider-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

whenBuilt(
  'a user of Dex appends with its id token, after a rotation of keys too, and while Dex is away',
  async () => {
    await using dex = await startDex(await buildDex(), { signingKeys: '5s' });
    const file = join(folder, 'auth.json');
    const issuer = {
      name: 'dex',
      issuer: dex.issuer,
      audience: 'sluice',
      algorithms: ['RS256'],
      keys: { url: dex.keysUrl },
      principal_claim: 'email',
    };
    const grants = [{ actions: ['append'], streams: ['order.*'] }];
    const principals = { 'dex:alice@example.com': { grants } };
    writeFileSync(file, JSON.stringify({ issuers: [issuer], principals }));
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url], [`--auth-file=${file}`]);
    const append = async (token: string, stream = 'order.1') => {
      using client = connectRpc(gateway.address, token);
      return (await client.append({ stream, events: [{ type: 'Placed' }] })).version;
    };

    const first = await dex.token();
    expect(decodeJwt(first)).toMatchObject({ iss: dex.issuer, aud: 'sluice', email: 'alice@example.com' });
    expect(await append(first)).toBe(1n);
    await expect(append(first, 'other.1')).rejects.toMatchObject({ reason: 'ACCESS_DENIED' });

    const [firstKid] = await dex.kids();
    await until(async () => (await dex.kids())[0] !== firstKid, 60_000);
    const second = await dex.token();
    expect(decodeProtectedHeader(second).kid).not.toBe(decodeProtectedHeader(first).kid);
    // Dex does not publish a key before it signs with it, and the gateway asks for unknown keys every 30 s.
    await until(async () => (await append(second).catch(() => 0n)) === 2n, 35_000);
    expect(await append(first)).toBe(3n);

    const third = await dex.token();
    await dex[Symbol.asyncDispose]();
    expect(await append(third)).toBe(4n);
    await expect(append(`${third.slice(0, -4)}AAAA`)).rejects.toMatchObject({ reason: 'UNAUTHENTICATED' });
  },
  // A first build of Dex takes a while on a busy machine.
  600_000,
);
