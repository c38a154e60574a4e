import { problemOf, type ContractStore } from './contract-store';
import { plainEvents, put, range, versionsOf } from './events';

let ids = 0;

/** A commit id that no other test uses. */
function newCommitId(): string {
  ids++;
  return `0190f3a1-1111-7000-8000-${ids.toString(16).padStart(12, '0')}`;
}

/** A commit id makes an append safe to repeat, and belongs to one commit for good. */
export function idempotencyContract(store: () => ContractStore): void {
  repeated(store);
  reused(store);
}

function repeated(store: () => ContractStore): void {
  test('answers it in lower case', async () => {
    const commitId = newCommitId().replace('-8000-', '-ABCD-');
    const request = { stream: 'commit-id.case', events: plainEvents(1), expectedVersion: 0n };
    const first = await store().append({ ...request, commitId });
    expect(first).toMatchObject({ replayed: false, commitId: commitId.toLowerCase() });
    const again = await store().append({ ...request, commitId: commitId.toLowerCase() });
    expect(again).toEqual({ ...first, replayed: true });
  });

  test.each([
    ['with an expected version', 2n, false],
    ['without an expected version', undefined, false],
    ['with a stream that must exist', undefined, true],
  ])('is stored once, with one result, when it is repeated %s', async (_name, expectedVersion, mustExist) => {
    const stream = `commit-id.again.${expectedVersion ?? (mustExist ? 'exists' : 'any')}`;
    await store().append({ stream, events: plainEvents(2, 'before') });
    const commitId = newCommitId();
    const request = { commitId, expectedVersion, mustExist };
    const first = await put(store(), stream, plainEvents(3), request);
    expect(first).toMatchObject({ version: 5n, firstVersion: 3n, replayed: false, commitId });
    const again = { ...first, replayed: true };
    expect(await put(store(), stream, plainEvents(3), request)).toEqual(again);
    // After the head has moved on, and without asking for the time.
    await store().append({ stream, events: plainEvents(1, 'after') });
    expect(await put(store(), stream, plainEvents(3), request)).toEqual(again);
    await store().append({ stream, events: plainEvents(2, 'later') });
    await store().append({ stream, events: plainEvents(1, 'latest') });
    expect(await store().append({ stream, events: plainEvents(3), ...request })).toEqual({
      ...again,
      commitTime: undefined,
    });
    const { events } = await store().read({ stream });
    expect(events.map(({ id }) => id)).toEqual([
      ...['before-1', 'before-2', 'e-1', 'e-2', 'e-3', 'after-1', 'later-1', 'later-2', 'latest-1'],
    ]);
  });

  test('may be repeated with the expected version that it had without saying so, and the other way round', async () => {
    const stream = 'commit-id.mixed';
    const [any, expecting] = [newCommitId(), newCommitId()];
    const events = plainEvents(2);
    const one = await put(store(), stream, events, { commitId: any });
    const two = await put(store(), stream, events, { commitId: expecting, expectedVersion: 2n });
    expect(await put(store(), stream, events, { commitId: any, expectedVersion: 0n })).toEqual({
      ...one,
      replayed: true,
    });
    expect(await put(store(), stream, events, { commitId: expecting })).toEqual({ ...two, replayed: true });
    expect((await store().version(stream)).version).toBe(4n);
  });

  test('is stored once when it is sent many times at once', async () => {
    const stream = 'commit-id.at-once';
    for (const expectedVersion of [0n, undefined]) {
      const request = { stream, events: plainEvents(2), commitId: newCommitId(), expectedVersion };
      const answers = await Promise.all(range(1, 20).map(() => store().append(request)));
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      const [first] = answers;
      for (const answer of answers)
        expect({ ...answer, replayed: true }).toEqual({ ...first, replayed: true });
    }
    expect(versionsOf((await store().read({ stream })).events)).toEqual([1, 2, 3, 4]);
  });

  test('without ids of its own is stored once, under the ids that were filled in first', async () => {
    const events = [
      { type: 'A', metadata: new Map([['k', 'v']]) },
      { type: 'B', correlationId: 'group' },
      { id: 'own', type: 'C' },
    ];
    for (const expectedVersion of [0n, undefined]) {
      const request = {
        stream: `commit-id.filled-in.${expectedVersion}`,
        events,
        commitId: newCommitId(),
        expectedVersion,
      };
      const first = await store().append(request);
      expect(await store().append(request)).toEqual({ ...first, replayed: true });
      expect((await store().read({ stream: request.stream })).events).toHaveLength(3);
    }
  });

  test('that was refused is free', async () => {
    const stream = 'commit-id.refused';
    const commitId = newCommitId();
    const refused = store().append({ stream, events: plainEvents(1), commitId, expectedVersion: 7n });
    expect(await problemOf(refused)).toMatchObject({ reason: 'VERSION_CONFLICT' });
    const stored = await store().append({ stream, events: plainEvents(1), commitId, expectedVersion: 0n });
    expect(stored).toMatchObject({ version: 1n, replayed: false, commitId });
  });
}

function reused(store: () => ContractStore): void {
  test('of the first commit of a stream is refused to a caller that expects the stream to exist', async () => {
    const commitId = newCommitId();
    const request = { stream: 'commit-id.first', events: plainEvents(1), commitId };
    const { position } = await store().append(request);
    const { stream } = request;
    expect(await problemOf(store().append({ ...request, mustExist: true }))).toEqual({
      reason: 'COMMIT_ID_REUSE',
      ...{ commitId, stream, position },
    });
    // On another stream the expectation takes precedence.
    const elsewhere = { ...request, stream: 'commit-id.not-there', mustExist: true };
    expect(await problemOf(store().append(elsewhere))).toMatchObject({ expected: 'exists', actual: 0n });
  });

  test('of a commit on another stream is refused, and says where that is', async () => {
    const commitId = newCommitId();
    const owner = await store().append({ stream: 'commit-id.owner', events: plainEvents(2), commitId });
    await store().append({ stream: 'commit-id.owner', events: plainEvents(1) });
    await store().append({ stream: 'commit-id.used', events: plainEvents(1) });
    const reuse = {
      reason: 'COMMIT_ID_REUSE',
      commitId,
      stream: 'commit-id.owner',
      position: owner.position,
    };
    for (const [stream, version] of [
      ['commit-id.unused', 0n],
      ['commit-id.used', 1n],
    ] as const) {
      for (const expectedVersion of [undefined, version]) {
        const call = store().append({ stream, events: plainEvents(1), commitId, expectedVersion });
        expect(await problemOf(call)).toEqual(reuse);
      }
      // The version is looked at first.
      const call = store().append({ stream, events: plainEvents(1), commitId, expectedVersion: 9n });
      expect(await problemOf(call)).toEqual({
        reason: 'VERSION_CONFLICT',
        stream,
        expected: 9n,
        actual: version,
      });
      expect((await store().version(stream)).version).toBe(version);
    }
  });

  test.each([
    ['with an expected version', 1n],
    ['without an expected version', undefined],
  ])('of other events at the same place is refused %s', async (_name, expectedVersion) => {
    const stream = `commit-id.content.${expectedVersion}`;
    await store().append({ stream, events: plainEvents(1) });
    const commitId = newCommitId();
    const event = {
      id: 'e-1',
      type: 'T',
      payload: { $case: 'text' as const, value: 'text' },
      contentType: 'text/plain',
      correlationId: 'c',
      causationId: 'd',
      tags: ['a', 'b'],
      metadata: new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    };
    const { position } = await store().append({ stream, events: [event], commitId, expectedVersion });
    const reuse = { reason: 'COMMIT_ID_REUSE', commitId, stream, position };
    const others = [
      [event, { ...event, id: 'e-2' }],
      ...[
        { id: 'e-2' },
        { type: 'U' },
        { payload: { $case: 'text' as const, value: 'other' } },
        { payload: { $case: 'binary' as const, value: Buffer.from('text') } },
        { contentType: '' },
        { correlationId: 'other' },
        { correlationId: 'e-1' },
        { causationId: '' },
        { tags: ['b', 'a'] },
        { metadata: new Map([['a', '1']]) },
      ].map((change) => [{ ...event, ...change }]),
    ];
    for (const events of others) {
      const call = store().append({ stream, events, commitId, expectedVersion });
      expect(await problemOf(call)).toEqual(reuse);
    }
    // The order of entries is not content.
    const sorted = { ...event, metadata: new Map([...event.metadata].reverse()) };
    const again = await store().append({ stream, events: [sorted], commitId, expectedVersion });
    expect(again).toMatchObject({ position, replayed: true });
    // Nor is the trace in which it is repeated.
    const traced = {
      ...event,
      metadata: new Map([...event.metadata, ['traceparent', '00-1'], ['tracestate', 'a=b']]),
    };
    const repeated = await store().append({ stream, events: [traced], commitId, expectedVersion });
    expect(repeated).toMatchObject({ position, replayed: true });
    expect((await store().version(stream)).version).toBe(2n);
  });

  test('of a commit that began at another version is refused', async () => {
    const stream = 'commit-id.elsewhere';
    const commitId = newCommitId();
    await store().append({ stream, events: plainEvents(1) });
    const owner = await store().append({ stream, events: plainEvents(3), commitId, expectedVersion: 1n });
    await store().append({ stream, events: plainEvents(1) });
    const append = (expectedVersion: bigint): Promise<unknown> =>
      store().append({ stream, events: plainEvents(1), commitId, expectedVersion });
    for (const expected of [0n, 2n, 3n, 4n, 6n]) {
      expect(await problemOf(append(expected))).toEqual({
        reason: 'VERSION_CONFLICT',
        stream,
        expected,
        actual: 5n,
      });
    }
    const reuse = { reason: 'COMMIT_ID_REUSE', commitId, stream, position: owner.position };
    expect(await problemOf(append(5n))).toEqual(reuse);
    expect(await problemOf(append(1n))).toEqual(reuse);
    const again = store().append({ stream, events: plainEvents(3), commitId, expectedVersion: 1n });
    expect(await again).toEqual({ ...owner, replayed: true });
    expect((await store().version(stream)).version).toBe(5n);
  });
}
