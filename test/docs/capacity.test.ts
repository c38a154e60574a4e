import { randomUUID } from 'node:crypto';
import { connect, type SluiceClient } from '../../src/client/client';
import { folderBytes } from '../../src/replica/folder-bytes';
import { startTestGateway } from '../support/gateway';
import { replicated } from '../support/info-now';
import { startNats, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { document, section, tableRows } from './markdown';

const page = document('docs/operations/capacity.md');

const events = 30_000;
const streams = 3_000;

async function write(client: SluiceClient, dataBytes: number, eventsPerCommit: number): Promise<void> {
  await using session = client.appendSession({ pendingMax: 500 });
  const results: Promise<unknown>[] = [];
  for (let i = 0; i < events / eventsPerCommit; i++) {
    await session.ready();
    const correlationId = randomUUID();
    const batch = Array.from({ length: eventsPerCommit }, () => ({
      type: 'OrderPlaced',
      data: Buffer.alloc(dataBytes, 0x2e),
      contentType: 'application/json',
      correlationId,
    }));
    results.push(session.append(`order.${i % streams}`, batch, { commitId: randomUUID() }));
  }
  await Promise.all(results);
}

async function logBytes(nats: TestNats): Promise<number> {
  const { account_details: accounts } = await nats.monitor('/jsz?streams=true');
  const [account] = accounts as { stream_detail: { state: { bytes: number } }[] }[];
  return account?.stream_detail[0]?.state.bytes ?? 0;
}

/** What the page says that the events of the test take, in bytes for each. */
function planned(where: string, dataBytes: number, eventsPerCommit: number): number {
  const rows = tableRows(section(page, '## Disk'));
  const [, event = '', commit = ''] = rows.find(([name]) => name === where) ?? [];
  return dataBytes + parseInt(event, 10) + parseInt(commit, 10) / eventsPerCommit;
}

test.each([
  [50, 1],
  [1_000, 1],
  [200, 10],
])(
  'events with %i bytes of data, %i in a commit, take what the page says',
  async (dataBytes, count) => {
    await using nats = await startNats();
    const replicaDir = makeReplicaDir();
    {
      await using gateway = await startTestGateway([nats.url], [`--replica-dir=${replicaDir}`]);
      using client = connect(gateway.address);
      await write(client, dataBytes, count);
      await replicated(gateway.client, 30_000);
    }
    const found = { log: (await logBytes(nats)) / events, replica: (await folderBytes(replicaDir)) / events };
    for (const [where, bytes] of Object.entries(found)) {
      const ratio = bytes / planned(where, dataBytes, count);
      expect({ where, bytes, isAsPlanned: ratio > 0.85 && ratio < 1.15 }).toEqual({
        where,
        bytes,
        isAsPlanned: true,
      });
    }
  },
  120_000,
);

test('the processor times are those of bench/RESULTS.md', () => {
  const rows = tableRows(section(page, '## Processor time'));
  const time = (what: string): number =>
    Number(/^([\d.]+) µs$/.exec(rows.find(([name]) => name === what)?.[1] ?? '')?.[1]);
  const results = document('bench/RESULTS.md');
  const access = tableRows(section(results, '# What access control costs'));
  const peers = tableRows(section(results, '# Beside peers'));
  const measured = {
    '`Append` of one event': access.find(([what]) => what === 'Append')?.[2],
    'an append of one event in a session': access.find(([what]) => what === 'AppendSession')?.[2],
    'an event that a reader or a subscription gets, of the store in order, nats-server included': peers.find(
      ([what = '']) => what === 'CPU of the servers for each event of a catch-up',
    )?.[2],
  };
  for (const [what, value] of Object.entries(measured)) {
    const ratio = time(what) / Number(value);
    expect({ what, isNear: ratio > 0.8 && ratio < 1.25 }).toEqual({ what, isNear: true });
  }
});
