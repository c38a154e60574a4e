import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/client/client';
import { storageBytesMax } from '../../src/nats-server/embedded-config';
import { folderBytes } from '../../src/replica/folder-bytes';
import { startTestGateway } from '../support/gateway';
import { replicated } from '../support/info-now';

/** The log leaves space on its disk for its replica, which is largest for small events with random ids. */

const commits = 20_000;
const dataBytes = 50;
/** Of the disk. */
const shareMax = 0.95;

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sluice-room-'));
});
afterAll(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

test('a log of small events at its bound and its replica leave some of their disk', async () => {
  const replicaDir = join(dataDir, 'replica');
  {
    await using gateway = await startTestGateway([], ['--data-dir', dataDir, '--sync=interval']);
    using sluice = connect(gateway.address);
    const session = sluice.appendSession({ pendingMax: 512 });
    const appends: Promise<unknown>[] = [];
    for (let i = 0; i < commits; i++) {
      await session.ready();
      const event = { type: 'Happened', correlationId: randomUUID(), data: 'x'.repeat(dataBytes) };
      appends.push(session.append(`room.${i % 1_000}`, [event], { commitId: randomUUID() }));
    }
    await session.close();
    await Promise.all(appends);
    await replicated(gateway.client, 60_000);
  }
  const [log, replica] = [await folderBytes(join(dataDir, 'jetstream')), await folderBytes(replicaDir)];
  const { bavail, bsize } = statfsSync(dataDir);
  const bound = await storageBytesMax({ dataDir, replicaDir });
  expect((bound * (1 + replica / log)) / (bavail * bsize + log + replica)).toBeLessThan(shareMax);
}, 120_000);
