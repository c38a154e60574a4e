import { setImmediate as turn } from 'node:timers/promises';
import { SharedDurability, type SyncLink } from '../../src/workers/shared-durability';

type Request = Parameters<SyncLink['sync']>[0];

function open(): { readonly durability: SharedDurability; readonly requests: Request[] } {
  const requests: Request[] = [];
  const durability = new SharedDurability({
    sync: (request) => requests.push(request),
    forget: () => undefined,
  });
  return { durability, requests };
}

test('a request says how long its callers wait, since the clock of the primary began at another time', async () => {
  const { durability, requests } = open();
  const waiting = durability.whenDurable(5n, performance.now() + 1_000);
  await turn();
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ ticket: 0, upTo: 5n });
  expect(requests[0]?.waitMs).toBeLessThanOrEqual(1_000);
  expect(requests[0]?.waitMs).toBeGreaterThan(0);
  durability.onSynced(0);
  await waiting;
});

test('callers of one turn share a request, which waits as long as the most patient of them', async () => {
  const { durability, requests } = open();
  const both = [
    durability.whenDurable(5n, performance.now() + 1_000) as Promise<void>,
    durability.whenDurable(7n, performance.now() + 60_000) as Promise<void>,
  ];
  await turn();
  expect(requests.map(({ upTo }) => upTo)).toEqual([7n]);
  expect(requests[0]?.waitMs).toBeGreaterThan(1_000);
  durability.onSynced(0);
  await Promise.all(both);
  expect(durability.whenDurable(6n)).toBeUndefined();
});

test('a sync from before the log may have gone back proves nothing', async () => {
  const { durability } = open();
  const waiting = durability.whenDurable(5n);
  await turn();
  durability.forget();
  durability.onSynced(0);
  await waiting;
  const again = durability.whenDurable(5n);
  expect(again).toBeInstanceOf(Promise);
  await turn();
  durability.onUnsynced(1, 'the disk is slow');
  await expect(again).rejects.toThrow('the disk is slow');
});
