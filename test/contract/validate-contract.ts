import type { DeepPartial } from '../../generated/sluice/v1/event';
import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import { problemOf, type ContractStore } from './contract-store';
import { plainEvents, put } from './events';

let ids = 0;

/** A commit id that no other test uses. */
function newCommitId(): string {
  ids++;
  return `0190f3a1-4444-7000-8000-${ids.toString(16).padStart(12, '0')}`;
}

/** Appends with `validate_only`. */
export function validateContract(store: () => ContractStore): void {
  oneStream(store);
  severalStreams(store);
}

function oneStream(store: () => ContractStore): void {
  const validate = (request: DeepPartial<AppendRequest>): Promise<unknown> =>
    store().append({ ...request, validateOnly: true });

  test('tells the versions that it would get, and stores nothing', async () => {
    const stream = 'validate.1';
    const would = { position: 0n, commitTime: undefined, replayed: false, commitId: '' };
    const events = plainEvents(2, stream);
    const first = { stream, events, expectedVersion: 0n, withCommitTime: true };
    expect(await validate(first)).toEqual({ ...would, version: 2n, firstVersion: 1n });
    expect(await store().version(stream)).toMatchObject({ version: 0n, position: 0n });
    const { version } = await put(store(), stream, events);
    expect(await validate({ stream, events: plainEvents(3), mustExist: true })).toEqual({
      ...would,
      version: version + 3n,
      firstVersion: version + 1n,
    });
    expect(await store().read({ stream })).toMatchObject({ version });
  });

  test('without events it is the check that an append without events is', async () => {
    const stream = 'validate.2';
    const { version, position } = await put(store(), stream, plainEvents(2));
    const result = { version, position, firstVersion: 0n };
    expect(await validate({ stream, expectedVersion: version })).toMatchObject(result);
    expect(await problemOf(validate({ stream, expectedVersion: 1n }))).toMatchObject({
      reason: 'VERSION_CONFLICT',
    });
  });

  test('has the conflict that the append would have', async () => {
    const stream = 'validate.3';
    await put(store(), stream, plainEvents(2));
    const request = { stream, events: plainEvents(1), expectedVersion: 1n };
    const conflict = await problemOf(validate(request));
    expect(conflict).toEqual(await problemOf(store().append(request)));
    expect(conflict).toMatchObject({ reason: 'VERSION_CONFLICT', actual: 2n });
  });

  test('has the refusal of a condition, and none that holds', async () => {
    const [stream, tags] = ['validate.4', ['validated']];
    const { position } = await put(store(), stream, [{ id: 'v4', type: 'A', tags }]);
    const events = [{ type: 'B', tags }];
    for (const withinStream of ['', stream]) {
      const after = (afterPosition: bigint): DeepPartial<AppendRequest> => ({
        stream,
        events,
        condition: { query: { items: [{ tags }] }, afterPosition, withinStream },
      });
      expect(await problemOf(validate(after(position - 1n)))).toEqual({
        reason: 'APPEND_CONDITION_FAILED',
        item: 0,
        position,
        eventId: 'v4',
      });
      expect(await validate(after(position))).toMatchObject({ version: 2n, position: 0n });
      const late = await problemOf(validate(after(position + 1_000_000n)));
      expect(late).toMatchObject({ reason: 'INVALID_REQUEST' });
    }
  });

  test('leaves the commit id for the append itself, and shows what an earlier append with it has stored', async () => {
    const stream = 'validate.5';
    const request = { stream, events: plainEvents(1, stream), expectedVersion: 0n, commitId: newCommitId() };
    expect(await validate(request)).toMatchObject({ position: 0n, replayed: false, commitId: '' });
    const stored = await store().append(request);
    expect(stored).toMatchObject({ version: 1n, replayed: false });
    await put(store(), stream, plainEvents(1));
    expect(await validate(request)).toMatchObject({
      version: 1n,
      position: stored.position,
      replayed: true,
      commitId: request.commitId,
    });
    const others = plainEvents(2, 'others');
    expect(await problemOf(validate({ ...request, events: others }))).toMatchObject({
      reason: 'COMMIT_ID_REUSE',
    });
    const elsewhere = { ...request, stream: 'validate.6' };
    expect(await problemOf(validate(elsewhere))).toMatchObject({ reason: 'COMMIT_ID_REUSE' });
  });

  test('is refused by a tombstone, and not by a deletion', async () => {
    const stream = 'validate.7';
    await put(store(), stream, plainEvents(2));
    await store().remove({ stream });
    expect(await validate({ stream, events: plainEvents(1) })).toMatchObject({ version: 3n });
    await store().tombstone({ stream });
    expect(await problemOf(validate({ stream, events: plainEvents(1) }))).toMatchObject({
      reason: 'STREAM_TOMBSTONED',
    });
  });

  test('is refused if an event is too large', async () => {
    const events = [{ type: 'Large', payload: { $case: 'text' as const, value: 'x'.repeat(1 << 20) } }];
    expect(await problemOf(validate({ stream: 'validate.8', events }))).toMatchObject({
      reason: 'INVALID_REQUEST',
    });
  });
}

function severalStreams(store: () => ContractStore): void {
  test('tells the versions of a transaction, and stores nothing of it', async () => {
    const commitId = newCommitId();
    await put(store(), 'validate.b', plainEvents(2));
    const appends = ['validate.a', 'validate.b'].map((stream) => ({
      stream,
      events: plainEvents(2, stream),
    }));
    const checks = [{ stream: 'validate.none', expectedVersion: 0n }];
    const request = { appends, checks, commitId };
    expect(await store().appendMulti({ ...request, validateOnly: true })).toEqual({
      position: 0n,
      replayed: false,
      commitId: '',
      streams: [
        { stream: 'validate.a', version: 2n, firstVersion: 1n },
        { stream: 'validate.b', version: 4n, firstVersion: 3n },
      ],
    });
    expect(await store().version('validate.a')).toMatchObject({ version: 0n });
    const stored = await store().appendMulti(request);
    const again = await store().appendMulti({ ...request, validateOnly: true });
    expect(again).toEqual({ ...stored, replayed: true });
  });

  test('has all conflicts of a transaction', async () => {
    const appends = [{ stream: 'validate.c', events: plainEvents(1), expectedVersion: 7n }];
    const checks = [{ stream: 'validate.d', mustExist: true }];
    const conflict = await problemOf(store().appendMulti({ appends, checks, validateOnly: true }));
    expect(conflict).toEqual(await problemOf(store().appendMulti({ appends, checks })));
    expect(conflict).toMatchObject({ reason: 'VERSION_CONFLICT' });
  });
}
