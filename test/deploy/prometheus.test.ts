import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type SluiceClient } from '../../src/client/client';
import { startSluice, type SluiceProcess } from '../cli/process';
import { makeAuthority, type Authority } from '../support/certificates';
import { deployTool } from '../support/deploy-tools';
import {
  dashboardExpressions,
  documentedNames,
  metricsIn,
  readAlerts,
  readDashboard,
  rulesFile,
} from '../support/monitoring';
import { freePorts } from '../support/free-ports';
import { until } from '../support/nats-server';
import { startPrometheus, type TestPrometheus } from '../support/prometheus';
import { connectRpc } from '../support/rpc-client';
import { haveOpenssl, natsServerPath } from '../support/tools';

/**
 * A real Prometheus that scrapes real gateways, one of them with access control, with the alerts and the dashboard of deploy/.
 */
let prometheus: TestPrometheus | undefined;
let gateways: readonly SluiceProcess[] = [];
let authority: Authority | undefined;
/** Of a group, which has metrics only while it has a member. */
let member: SluiceClient | undefined;
const leave = new AbortController();
let folder: string;
let expressions: readonly string[];

beforeAll(async () => {
  const tool = await deployTool('prometheus');
  if (tool === undefined || !haveOpenssl()) return;
  folder = mkdtempSync(join(tmpdir(), 'sluice-scraped-'));
  expressions = [...dashboardExpressions(), ...(await readAlerts(tool.path)).map(({ query }) => query)];
  const ports = await freePorts(2);
  const targets = ports.map((port) => `127.0.0.1:${port}`);
  authority = await makeAuthority();
  gateways = await Promise.all(
    [[], await guarded(authority)].map((args, i) =>
      startSluice([
        ...[
          '--listen=127.0.0.1:0',
          `--http-listen=${targets[i] ?? ''}`,
          `--data-dir=${join(folder, String(i))}`,
        ],
        ...[`--nats-server=${natsServerPath()}`, ...args],
      ]),
    ),
  );
  const [address = ''] = await Promise.all(gateways.map((gateway) => gateway.serving()));
  prometheus = await startPrometheus(tool.path, {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rulesFile],
    scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets }] }],
  });
  using client = connectRpc(address);
  await client.append({ stream: 'order.1', events: [{ type: 'Placed' }] });
  member = connect(address);
  await member.groups.create('scraped');
  void member.consume('scraped', () => undefined, { signal: leave.signal }).catch(() => undefined);
  const scraping = prometheus;
  await until(async () => (await scraping.query('sluice_appends_total{outcome="OK"} >= 1')) === 1, 30_000);
}, 180_000);
afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  leave.abort();
  member?.close();
  await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()));
  authority?.[Symbol.dispose]();
  if (gateways.length > 0) rmSync(folder, { recursive: true, force: true });
});

/** The flags of a gateway with TLS and an auth file. */
async function guarded(issuing: Authority): Promise<string[]> {
  const { cert, key } = await issuing.issue('gateway');
  const file = join(folder, 'auth.json');
  writeFileSync(
    file,
    JSON.stringify({ roles: { reader: { grants: [{ actions: ['read'], streams: ['>'] }] } } }),
  );
  return [`--tls-cert=${cert}`, `--tls-key=${key}`, `--auth-file=${file}`];
}

test('it evaluates every alert, and only that of a certificate that expires tomorrow fires', async () => {
  if (prometheus === undefined) return;
  const evaluating = prometheus;
  await until(async () => (await evaluating.brokenAlerts()) !== undefined, 30_000);
  expect(await evaluating.brokenAlerts()).toEqual([]);
  const expiring = 'ALERTS{alertname="SluiceCertificateNearlyExpired",alertstate="firing"}';
  await until(async () => (await evaluating.query(expiring)) === 1);
  expect(await evaluating.query('ALERTS{alertstate="firing"}')).toBe(1);
});

test('it evaluates every expression of the dashboard', async () => {
  if (prometheus === undefined) return;
  expect(dashboardExpressions().length).toBeGreaterThan(50);
  for (const expression of dashboardExpressions()) {
    await expect(prometheus.query(expression)).resolves.toBeGreaterThanOrEqual(0);
  }
  await expect(prometheus.query('sum(rate(sluice_appends_total[1m])')).rejects.toThrow('parse error');
});

/** Without issuers, and before the first garbage collection, these have no value. */
const absent = ['sluice_jwks_fetched_timestamp_seconds', 'nodejs_gc_duration_seconds_sum'];

test('every metric of these expressions is documented and served', async () => {
  if (prometheus === undefined) return;
  const names = [...new Set(expressions.flatMap(metricsIn))];
  expect(names.length).toBeGreaterThan(50);
  const documented = documentedNames();
  expect(names.filter((name) => !documented.has(name))).toEqual([]);
  const missing: string[] = [];
  for (const name of names) if ((await prometheus.query(`{__name__="${name}"}`)) === 0) missing.push(name);
  expect(missing.filter((name) => !absent.includes(name))).toEqual([]);
});

test('the panels of the dashboard do not overlap, and each has a name and an expression', () => {
  const { panels } = readDashboard();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = new Set<string>();
  for (const { title, type, targets = [], gridPos } of panels) {
    expect(title).not.toBe('');
    expect([title, targets.length > 0]).toEqual([title, type !== 'row']);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const cell = `${x},${y}`;
        expect([title, x < 24 && !cells.has(cell)]).toEqual([title, true]);
        cells.add(cell);
      }
    }
  }
});
