import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { connect, type SluiceClient } from '../src/client/client';
import { newEvents } from './events';
import { roundsOf } from './rounds';
import type { Run } from './run';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';
import { median } from './statistics';
import { renderRows } from './table';
import { toNewEvents } from './typescript-peer';

const title = 'access control';
const grantCount = 17;
const unaryCallers = 32;
const sessionCallers = 256;

/** The CPU time of the gateway for each append, in microseconds, by what calls it. */
type Cost = Readonly<Record<'unary' | 'session', number>>;

interface Side {
  readonly gateway: BenchGateway;
  readonly client: SluiceClient;
}

/** What access control costs, as a part of RESULTS.md: a gateway whose callers have a JWT and 17 grants, and one without an auth file. `facts`: how it was measured. */
export async function accessCost(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress } = run;
  if (!settings.only.test(title)) return undefined;
  progress(`${title}: starting servers`);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-access-'));
  try {
    const token = await writeAuthFile(folder);
    await using guardedNats = await startBenchNats('interval');
    await using openNats = await startBenchNats('interval');
    const args = [`--auth-file=${join(folder, 'auth.json')}`];
    await using guarded = await startBenchGateway({ name: title, nats: guardedNats, peaks, args });
    await using open = await startBenchGateway({ name: `${title}: none`, nats: openNats, peaks });
    const sides: readonly Side[] = [
      { gateway: guarded, client: connect(guarded.address, { token }) },
      { gateway: open, client: connect(open.address) },
      // Without an auth file the token is ignored: what its bytes alone cost.
      { gateway: open, client: connect(open.address, { token }) },
    ];
    const costs = await measureCosts(sides, run);
    for (const { client } of sides) client.close();
    return [`# What ${title} costs`, facts, render(costs)].join('\n\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns a JWT of the only issuer of the file. */
async function writeAuthFile(folder: string): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const key = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' };
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [key] }));
  const grants = Array.from({ length: grantCount - 1 }, (_, i) => ({
    actions: ['append', 'read'],
    streams: [`access${i}.>`],
  }));
  const issuer = { name: 'bench', issuer: 'bench', audience: 'sluice', algorithms: ['ES256'] };
  const file = {
    roles: { load: { grants: [...grants, { actions: ['info'] }] } },
    issuers: [{ ...issuer, keys: { file: 'keys.json' }, roles: ['load'] }],
    // For the start of the gateway and its lag.
    principals: { anonymous: { grants: [{ actions: ['admin'] }] } },
  };
  writeFileSync(join(folder, 'auth.json'), JSON.stringify(file));
  return new SignJWT({ sub: 'load' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer('bench')
    .setAudience('sluice')
    .setIssuedAt()
    .setExpirationTime('12h')
    .sign(privateKey);
}

/** The costs of each side in each round that counts. */
async function measureCosts(
  sides: readonly Side[],
  { settings, signal, progress }: Run,
): Promise<readonly (readonly Cost[])[]> {
  const appends = Math.max(64, 16_000 * settings.sizes.callsShare);
  const costs: Cost[][] = sides.map(() => []);
  for (const { index, counts } of roundsOf(settings)) {
    progress(`${title}: round ${index}`);
    const order = index % 2 === 0 ? sides : sides.toReversed();
    for (const side of order) {
      signal.throwIfAborted();
      const cost = await costOf(side, appends);
      if (counts) costs[sides.indexOf(side)]?.push(cost);
    }
  }
  return costs;
}

async function costOf({ gateway, client }: Side, appends: number): Promise<Cost> {
  const unary = await cpuOf(gateway, appends, () =>
    callers(unaryCallers, appends, (stream) => client.append(stream, toNewEvents(newEvents(1)))),
  );
  const appendSession = client.appendSession({ pendingMax: sessionCallers });
  const session = await cpuOf(gateway, 2 * appends, () =>
    callers(sessionCallers, 2 * appends, (stream) => appendSession.append(stream, toNewEvents(newEvents(1)))),
  );
  await appendSession.close();
  return { unary, session };
}

/** The CPU time of the gateway for one append, in microseconds. */
async function cpuOf(gateway: BenchGateway, appends: number, load: () => Promise<void>): Promise<number> {
  const beganMs = gateway.cpuMs();
  await load();
  await gateway.caughtUp();
  return ((gateway.cpuMs() - beganMs) * 1_000) / appends;
}

/** Each caller has a stream, and makes its next call after the answer to the last one. */
async function callers(
  count: number,
  appends: number,
  append: (stream: string) => Promise<unknown>,
): Promise<void> {
  let begun = 0;
  const call = async (_: unknown, index: number): Promise<void> => {
    while (begun++ < appends) await append(`access${index % (grantCount - 1)}.${index}`);
  };
  await Promise.all(Array.from({ length: count }, call));
}

function render([guarded = [], open = [], ignored = []]: readonly (readonly Cost[])[]): string {
  const row = (what: string, kind: keyof Cost): string[] => {
    const of = (costs: readonly Cost[]): number[] => costs.map((cost) => cost[kind]);
    const figures = [guarded, open, ignored].map((costs) => median(of(costs)).toFixed(1));
    return [what, ...figures, ratioOf(of(guarded), of(open)), ratioOf(of(ignored), of(open))];
  };
  const about =
    `Durability: ${durability.interval}. CPU time of the gateway for each append of 1 event, in microseconds: with an auth file, ` +
    `where the callers have a JWT (ES256) and ${grantCount} grants; without one; and without one although the callers send a ` +
    `JWT, which is ignored. ${unaryCallers} callers, and ` +
    `${sessionCallers} appends at a time in one session.`;
  const rows = [
    [
      'append of 1 event',
      'JWT and grants',
      'none',
      'JWT ignored',
      'JWT and grants / none',
      'JWT ignored / none',
    ],
    row('Append', 'unary'),
    row('AppendSession', 'session'),
  ];
  return [about, renderRows(rows)].join('\n\n');
}

/** The median of the ratios of rounds, and the lowest and the highest one. */
function ratioOf(costs: readonly number[], others: readonly number[]): string {
  const ratios = costs.map((cost, round) => cost / (others[round] ?? NaN));
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  return `${median(ratios).toFixed(3)} (${low ?? ''}-${high ?? ''})`;
}
