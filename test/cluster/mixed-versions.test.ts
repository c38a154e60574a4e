import { before, buildOf, buildOnce, hasCommit } from '../support/build';
import { startNats } from '../support/nats-server';
import { startRestartable } from '../support/restartable-gateway';
import { connectRpc } from '../support/rpc-client';
import { startWriters } from '../support/writers';

const appendsEach = 100;

const isThere = hasCommit(before);
if (!isThere) process.stderr.write(`SKIPPED: this clone has no history, so there is no build of ${before}\n`);

(isThere ? test : test.skip)(
  'gateways of two neighboring versions serve one store, and each takes over the replica of the other',
  async () => {
    const old = await buildOf(before);
    const present = await buildOnce();
    await using nats = await startNats();
    const flags = [`--nats-url=${nats.url}`, '--create-store'];
    await using first = await startRestartable(flags, old);
    await using second = await startRestartable(flags, present);
    using one = connectRpc(first.address);
    using other = connectRpc(second.address);
    const writers = startWriters([one, other], {
      streams: ['mixed.1', 'mixed.2', 'mixed.3'],
      counts: [1, 3, 40],
      payloadBytes: 300,
      restMs: 5,
    });
    await writers.more(appendsEach);
    // An upgrade, a downgrade, and both versions again, with the replicas changed.
    expect(await first.restart('SIGTERM', present)).toBe(0);
    await writers.more(appendsEach);
    expect(await second.restart('SIGTERM', old)).toBe(0);
    await writers.more(appendsEach);
    expect(await writers.faults(one)).toEqual([]);
    const [seenByNew, seenByOld] = await Promise.all([one.readAll(), other.readAll()]);
    expect(seenByNew.events.length).toBeGreaterThan(3 * appendsEach);
    expect(seenByOld.events).toEqual(seenByNew.events);
  },
  180_000,
);
