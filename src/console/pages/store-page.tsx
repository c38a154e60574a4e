import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Fact } from '../parts/event-details';
import { bytesText, counted, grouped, rateText } from '../parts/numbers';
import { Busy, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { Sparkline } from '../parts/sparkline';
import { useCall } from '../parts/use-call';
import { ratesOf, withSample, type Sample } from '../reads/rates';
import { call } from '../wire/connect';
import type { GetServerInfoResponse, StoreInfo } from '../wire/server-info';
import { Findings } from './findings';

const everyMs = 1_000;

/** The store: how far it is, how much, how safe, and what needs attention. */
export function StorePage(): VNode {
  const read = useCall(
    async (signal) => ({ info: await call('EventStoreService/GetServerInfo', {}, signal), atMs: Date.now() }),
    'info',
    everyMs,
  );
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    const { info, atMs = 0 } = read.data ?? {};
    if (info === undefined) return;
    if (info.replica?.filled === false) return; // what it receives is old
    setSamples((before) => withSample(before, { atMs, count: countOf(info) }));
  }, [read.data?.atMs]);
  const info = read.data?.info;
  return (
    <Page title="Store">
      <Problem error={read.error} again={read.again} />
      <Busy busy={info === undefined && read.busy} />
      {info !== undefined && (
        <>
          <Numbers info={info} samples={samples} />
          <Findings info={info} />
          <div class="columns">
            <About info={info} />
            <Replicas info={info} />
          </div>
        </>
      )}
      <SameAs commands={{ method: 'EventStoreService/GetServerInfo', request: {}, sluice: ['doctor'] }} />
    </Page>
  );
}

/** What is counted: events, or commits for a caller who does not see the replica of the gateway. */
function countOf({ replica, store }: GetServerInfoResponse): number {
  return Number(replica === undefined ? (store?.position ?? 0) : (replica.eventsReceived ?? 0));
}

function Numbers({
  info,
  samples,
}: {
  readonly info: GetServerInfoResponse;
  readonly samples: readonly Sample[];
}): VNode {
  const { store = {}, replica } = info;
  const what = replica === undefined ? 'Commits' : 'Events';
  const rates = ratesOf(samples);
  const now = rates.slice(-3);
  const rate = now.reduce((sum, [, value]) => sum + value, 0) / Math.max(1, now.length);
  return (
    <section class="numbers" aria-label="Numbers">
      <div class="tile">
        <h2>Head</h2>
        <p class="big">{grouped(store.position)}</p>
        <p class="faint">position of the newest commit</p>
      </div>
      <div class="tile broad">
        <h2>{what}</h2>
        <p class="big">
          {rateText(rate)} <span class="unit">/s</span>
        </p>
        <Sparkline points={rates} label={`${what} a second over the last two minutes`} />
      </div>
      {store.bytes !== undefined && (
        <div class="tile">
          <h2>Size</h2>
          <p class="big">{bytesText(store.bytes)}</p>
          <p class="faint">
            {store.bytesMax === undefined
              ? counted(store.messageCount, 'message')
              : `of at most ${bytesText(store.bytesMax)}`}
          </p>
        </div>
      )}
    </section>
  );
}

function About({ info }: { readonly info: GetServerInfoResponse }): VNode {
  const { store = {}, access = {}, version } = info;
  return (
    <section aria-labelledby="about">
      <h2 id="about">Gateway and store</h2>
      <dl class="facts">
        <Fact name="Durability">{durabilityText(store)}</Fact>
        <Fact name="Store">
          <bdi class="mono">{shown(store.name ?? '')}</bdi>
        </Fact>
        {store.storeId !== undefined && (
          <Fact name="Store id">
            <bdi class="mono wrap">{shown(store.storeId)}</bdi>
          </Fact>
        )}
        <Fact name="Gateway">version {shown(version ?? '')}</Fact>
        {store.natsVersion !== undefined && (
          <Fact name="NATS">
            version {shown(store.natsVersion)}
            {store.embedded === true ? ', embedded in the gateway' : ''}
          </Fact>
        )}
        {store.consumerCount !== undefined && (
          <Fact name="Gateways">
            {counted(store.consumerCount, 'consumer')} of the log: each gateway has one
          </Fact>
        )}
        <Fact name="You are">
          <bdi class="mono">{shown(access.principal ?? 'anonymous')}</bdi>
          {access.controlled === true ? '' : ', and may do everything: there is no auth file'}
        </Fact>
      </dl>
    </section>
  );
}

function durabilityText({ durability }: StoreInfo): string {
  switch (durability) {
    case 'DURABILITY_FSYNC_ALWAYS':
      return 'An acknowledged append is synced to disk: it survives a power failure.';
    case 'DURABILITY_FSYNC_INTERVAL':
      return 'An acknowledged append survives a crash. A power failure can lose those of the last two minutes.';
    default:
      return 'The NATS servers decide when an acknowledged append is synced to disk (sync_interval).';
  }
}

function Replicas({ info }: { readonly info: GetServerInfoResponse }): VNode | null {
  const { replica, store } = info;
  const servers = store?.replicaInfos ?? [];
  if (servers.length === 0 && replica === undefined) return null;
  return (
    <section aria-labelledby="replicas">
      <h2 id="replicas">Replicas</h2>
      <div class="scroll">
        <table aria-labelledby="replicas">
          <thead>
            <tr>
              <th scope="col">Where</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Behind
              </th>
            </tr>
          </thead>
          <tbody>
            {servers.map((server) => (
              <tr key={server.name}>
                <td>
                  <bdi class="mono wrap">{shown(server.name ?? '')}</bdi>
                </td>
                <td>
                  {server.offline === true
                    ? 'offline'
                    : server.leader === true
                      ? 'leader'
                      : server.current === true
                        ? 'current'
                        : 'behind'}
                </td>
                <td class="number">{server.leader === true ? '' : counted(server.lag, 'operation')}</td>
              </tr>
            ))}
            {replica !== undefined && (
              <tr>
                <td>this gateway, {bytesText(replica.bytes)}</td>
                <td>{replica.filled === true ? 'filled' : 'being filled'}</td>
                <td class="number">{counted(replica.lag, 'position')}</td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}
