import { document, inlineCode, tableRows } from '../docs/markdown';
import { makeAuthFile } from '../support/access';
import { makeAuthority } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { GroupMember } from '../support/group-member';
import { metricsOf, type MetricsPage } from '../support/metrics-page';
import { startNats, until } from '../support/nats-server';
import { haveOpenssl } from '../support/tools';
import { connectWire } from '../support/wire-client';

interface Row {
  readonly type: string;
  readonly labels: readonly string[];
}

/** The tables of docs/operations/metrics.md. */
function documented(): Map<string, Row> {
  const rows = tableRows(document('docs/operations/metrics.md'));
  return new Map(
    rows.map(([name = '', type = '', labels = '']) => [
      name.replaceAll('`', ''),
      { type, labels: inlineCode(labels).sort() },
    ]),
  );
}

/** Of a gateway that has everything of which there are metrics. */
async function pageOfEverything(): Promise<MetricsPage> {
  using authority = await makeAuthority();
  const { cert, key } = await authority.issue('server');
  const keys = { url: 'http://127.0.0.1:9/keys' };
  const issuers = [
    { name: 'corp', issuer: 'https://corp.example', audience: 'sluice', algorithms: ['ES256'], keys },
  ];
  const file = makeAuthFile({ anonymous: { grants: [{ actions: ['info'] }] } }, { issuers });
  const access = [`--auth-file=${file.path}`, `--tls-cert=${cert}`, `--tls-key=${key}`];
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0', ...access]);
  return await metricsOf(gateway.http);
}

/** Of a gateway with a member of a group. */
async function pageOfGroup(): Promise<MetricsPage> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0']);
  using wire = connectWire(gateway.address, { service: 'sluice.v1.ConsumerGroupService' });
  await wire.unary('CreateGroup', { group: 'g' });
  using member = new GroupMember(gateway.address, { group: 'g' });
  await until(() => member.has('caught_up'));
  await until(async () => (await metricsOf(gateway.http)).value('sluice_group_members') === 1);
  return await metricsOf(gateway.http);
}

/** These may have no value here: the log has no bound, and no garbage may have been collected, for instance. */
const withoutValue = [
  'sluice_store_limit_bytes',
  'sluice_state_view_age_seconds',
  'sluice_http_requests_total',
  'nodejs_active_requests',
  'nodejs_gc_duration_seconds',
];

(haveOpenssl() ? test : test.skip)(
  'the documented metrics are those that are served, with their types and labels',
  async () => {
    const page = await pageOfEverything();
    const groupPage = await pageOfGroup();
    const table = documented();
    expect([...page.types.keys()].sort()).toEqual([...table.keys()].sort());
    for (const [name, { type, labels }] of table) {
      expect({ name, type: page.types.get(name) }).toEqual({ name, type });
      if (withoutValue.includes(name)) continue;
      expect({ name, labels: page.labels.get(name) ?? groupPage.labels.get(name) }).toEqual({ name, labels });
    }
  },
);
