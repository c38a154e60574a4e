import { problemOf, type ContractStore } from './contract-store';
import { plainEvents, put } from './events';
import { Follower } from './follower';

/** A position belongs to one store, and another one refuses it. */
export function storeIdContract(store: () => ContractStore): void {
  test('is the same wherever the store has one', async () => {
    const { info, read, subscription } = await store().storeIds();
    expect(info).not.toBe('');
    expect([read, subscription]).toEqual([info, info]);
  });

  test('of this store is accepted, by reads and subscriptions', async () => {
    const { info: storeId } = await store().storeIds();
    const { position } = await put(store(), 'store-id.1', plainEvents(2));
    const request = { afterPosition: position - 1n, patterns: ['store-id.1'], storeId };
    expect((await store().all(request)).events).toHaveLength(2);
    await using follower = new Follower(store(), request);
    expect(await follower.take(2)).toHaveLength(2);
  });

  test('of another store is refused, whatever else the request has', async () => {
    const { info: actual } = await store().storeIds();
    const storeId = '0190f3a1-5555-7000-8000-000000000001';
    const mismatch = { reason: 'STORE_MISMATCH', expected: storeId, actual };
    for (const request of [{}, { afterPosition: 0n }, { afterPosition: 2n ** 60n }, { patterns: ['none'] }]) {
      expect(await problemOf(store().all({ ...request, storeId }))).toEqual(mismatch);
      await using follower = new Follower(store(), { ...request, storeId });
      expect(await problemOf(follower.next())).toEqual(mismatch);
    }
    await using now = new Follower(store(), { fromNow: true, storeId });
    expect(await problemOf(now.next())).toEqual(mismatch);
  });

  test('that no store can have is refused as a field', async () => {
    for (const storeId of ['with space', 'x'.repeat(129), 'ä'])
      expect(await problemOf(store().all({ storeId }))).toMatchObject({ fields: ['store_id'] });
  });
}
