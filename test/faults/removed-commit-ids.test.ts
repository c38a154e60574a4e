import { connect } from 'nats';
import type { ControlCommand } from '../../src/store/control-command';
import type { AppendCommand } from '../../src/store/event-store';
import type { StreamName } from '../../src/store/values';
import { uuidV7 } from '../../src/uuid';
import { newEvents } from '../support/attempts';
import { startNats, until } from '../support/nats-server';
import {
  appendTo,
  callFor,
  controlOf,
  openTestStore,
  truncateBefore,
  type OpenedTestStore,
} from '../support/opened-store';

/** An append that is sent again after its commit was hidden and removed from the log. */

/** So small that the segments with the first commits are removed. */
const small = { sweepIntervalMs: 0, segmentBytesMax: 64 << 10, tailBytesMax: 0, replicaBytesMax: 100 << 10 };

async function messagesOf(url: string, stream: string): Promise<number> {
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  const subject = `es.${stream}`;
  const { state } = await manager.streams.info('EVENTS', { subjects_filter: subject });
  await connection.close();
  return state.subjects?.[subject] ?? 0;
}

const append = ({ store }: OpenedTestStore, command: AppendCommand): ReturnType<typeof store.append> =>
  store.append(command, callFor());

const control = ({ store }: OpenedTestStore, command: ControlCommand): ReturnType<typeof store.control> =>
  store.control(command, callFor());

const versionOf = async ({ store }: OpenedTestStore, stream: string): Promise<bigint> =>
  (await store.getVersion(stream as StreamName, undefined, callFor())).version;

test('it is a replay where the commit is known, and never stored twice where its id is', async () => {
  await using nats = await startNats();
  await using whole = await openTestStore(nats.url, { limits: { sweepIntervalMs: 100 } });
  const [anyId, expectedId, controlId] = [uuidV7(), uuidV7(), uuidV7()];
  const any = appendTo('any', { events: newEvents(2), commitId: anyId });
  const expected = appendTo('expected', { expectedVersion: 0n, commitId: expectedId });
  const truncation = controlOf('any', truncateBefore(2n), { commitId: controlId });
  {
    await using bounded = await openTestStore(nats.url, { limits: small });
    const stored = [await append(whole, any), await append(whole, expected)];
    const first = await control(whole, truncation);
    for (let i = 0; i < 40; i++) await append(whole, appendTo('filler', { events: newEvents(1, 10_000) }));
    await append(whole, appendTo('any'));
    await control(whole, controlOf('any', truncateBefore(3n)));
    await control(whole, controlOf('expected', { kind: 'delete' }));
    for (const [stream, left] of [
      ['any', 2],
      ['expected', 1],
    ] as const)
      await until(async () => (await messagesOf(nats.url, stream)) === left, 30_000);
    const { position } = await append(whole, appendTo('last'));
    await until(() => bounded.store.facts.replica.applied >= position, 30_000);

    for (const gateway of [whole, bounded]) {
      const replayed = { replayed: true, commitTime: expect.any(BigInt) as unknown };
      expect(await append(gateway, any)).toEqual({ ...stored[0], ...replayed });
      expect(await append(gateway, expected)).toEqual({ ...stored[1], ...replayed });
      expect(await control(gateway, truncation)).toMatchObject({
        replayed: true,
        position: first.position,
        stream: { firstVersion: 3n, version: 3n },
      });
      for (const other of [
        appendTo('any', { events: newEvents(3), commitId: anyId }),
        appendTo('elsewhere', { events: newEvents(2), commitId: anyId }),
        appendTo('any', { commitId: controlId }),
      ])
        await expect(append(gateway, other)).rejects.toMatchObject({ code: 'COMMIT_ID_REUSE' });
      await expect(
        append(gateway, appendTo('elsewhere', { expectedVersion: 1n, commitId: anyId })),
      ).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
    }
  }

  // A gateway whose replica was filled after that does not know the commits; the server still knows their ids.
  await using fresh = await openTestStore(nats.url, { limits: { sweepIntervalMs: 0 } });
  await until(() => fresh.store.filling() === undefined, 30_000);
  await expect(append(fresh, expected)).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
  await expect(append(fresh, any)).rejects.toMatchObject({ code: 'COMMIT_ID_REUSE' });
  expect(await versionOf(fresh, 'any')).toBe(3n);
}, 120_000);
