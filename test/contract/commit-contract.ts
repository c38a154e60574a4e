import { problemOf, type ContractStore } from './contract-store';
import { plainEvents, put } from './events';

let ids = 0;

/** A commit id that no other test uses. */
function newCommitId(): string {
  ids++;
  return `0190f3a1-5555-7000-8000-${ids.toString(16).padStart(12, '0')}`;
}

/** Commits by their ids. */
export function commitContract(store: () => ContractStore): void {
  test('finds an append, also one whose id the store filled in', async () => {
    const stream = 'commit.1';
    await put(store(), stream, plainEvents(2));
    const events = plainEvents(3, stream);
    const { position, commitId } = await store().append({ stream, events });
    await put(store(), stream, plainEvents(1));
    const { events: read } = await store().read({ stream, fromVersion: 3n, maxCount: 1n });
    expect(await store().commit(commitId)).toEqual({
      position,
      commitTime: read[0]?.commitTime,
      streams: [{ stream, version: 5n, firstVersion: 3n }],
    });
    expect(await store().commit(commitId.toUpperCase())).toMatchObject({ position });
  });

  test('finds a transaction with all of its streams, and no stream that it only checks', async () => {
    const commitId = newCommitId();
    const streams = ['commit.a', 'commit.b'];
    const { position } = await store().appendMulti({
      appends: streams.map((stream) => ({ stream, events: plainEvents(2, stream) })),
      checks: [{ stream: 'commit.none', expectedVersion: 0n }],
      commitId,
    });
    expect(await store().commit(commitId)).toMatchObject({
      position,
      streams: streams.map((stream) => ({ stream, version: 2n, firstVersion: 1n })),
    });
  });

  test('finds a control, which has no first version', async () => {
    const stream = 'commit.2';
    await put(store(), stream, plainEvents(2));
    const { commitId, stream: described } = await store().truncate({ stream, beforeVersion: 2n });
    expect(await store().commit(commitId)).toMatchObject({
      position: described.controlPosition,
      streams: [{ stream, version: 2n, firstVersion: 0n }],
    });
  });

  test('finds a commit whose events are hidden or erased', async () => {
    const stream = 'commit.3';
    const commits = [];
    for (const id of [1, 2]) commits.push(await store().append({ stream, events: plainEvents(1, `${id}`) }));
    await put(store(), stream, plainEvents(1));
    await store().truncate({ stream, beforeVersion: 2n });
    await store().erase({ stream, fromVersion: 2n, toVersion: 2n, reason: 'asked for' });
    for (const { commitId, position, version } of commits)
      expect(await store().commit(commitId)).toMatchObject({
        position,
        streams: [{ stream, version, firstVersion: version }],
      });
  });

  test('an unknown commit id is not found, and what is no commit id is refused', async () => {
    expect(await store().commit(newCommitId())).toEqual({ position: 0n, commitTime: undefined, streams: [] });
    for (const commitId of ['', 'x'])
      expect(await problemOf(store().commit(commitId))).toEqual({
        reason: 'INVALID_REQUEST',
        fields: ['commit_id'],
      });
  });
}
