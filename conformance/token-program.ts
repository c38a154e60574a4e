import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { makeToken } from '../src/auth/token';
import { blocks, section } from '../test/docs/markdown';
import { makeAuthority } from '../test/support/certificates';
import { plainSettings, type GatewaySettings } from './case-file';
import { startEnvironment } from './environment';
import { run } from './run';

/** Two tokens of one principal, and one that the gateway does not know. */
function settingsWith(flags: readonly string[]): GatewaySettings {
  const tokens = { first: makeToken(), second: makeToken(), unknown: makeToken() };
  const entry = { principal: 'shop', roles: ['reader'] };
  const auth = {
    roles: { reader: { grants: [{ actions: ['read'], streams: ['order.>'] }] } },
    tokens: ['first', 'second'].map((id) => ({ id, sha256: `sha256 of ${id}`, ...entry })),
  };
  return { ...plainSettings, gateway: [...flags], auth, tokens };
}

/** Runs a program that sends a token over TLS. It must print what the page shows, and fail with a token that is not known. */
export async function runWithTokens(command: readonly string[]): Promise<void> {
  const page = section(readFileSync(join('docs', 'clients.md'), 'utf8'), '## Over TLS, with a token');
  const [invocation = '', shown = ''] = (blocks(page)[0]?.code ?? '').split(/(?<=^\$ .*)\n/);
  const stream = invocation.split(' ').at(-1) ?? '';
  using authority = await makeAuthority();
  const { cert, key } = await authority.issue('gateway');
  const settings = settingsWith([`--tls-cert=${cert}`, `--tls-key=${key}`]);
  await using environment = await startEnvironment(
    settings,
    credentials.createSsl(readFileSync(authority.ca)),
  );
  const folder = mkdtempSync(join(tmpdir(), 'sluice-token-'));
  const tokenFile = join(folder, 'token.txt');
  const address = environment.address.replace('127.0.0.1', 'localhost');
  const runWith = async (token: string | undefined): Promise<string> => {
    writeFileSync(tokenFile, `${token ?? ''}\n`, { mode: 0o600 });
    return run([...command, address, authority.ca, tokenFile, stream], { cwd: '.' });
  };
  try {
    const { first, second, unknown } = settings.tokens;
    for (const token of [first, second]) {
      const printed = await runWith(token);
      if (printed !== shown) throw new Error(`it printed ${JSON.stringify(printed)}`);
    }
    const refused = await runWith(unknown).catch(String);
    if (!/unauthenticated/i.test(refused)) throw new Error(`with an unknown token: ${refused}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
