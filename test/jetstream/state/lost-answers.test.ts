import { StateChangedError, type StateStore } from '../../../src/store/state-store';
import { startNats, until, type TestNats } from '../../support/nats-server';
import { openNewState, openState, type OpenedState } from '../../support/opened-state';
import { startTcpRelay, type TcpRelay } from '../../support/tcp-relay';

/** The answer to a change is lost: the change is found, and never made a second time. */

const call = { signal: new AbortController().signal, deadlineMs: Infinity };
const key = 'lane.a.0';

let nats: TestNats;
let relay: TcpRelay;
/** Reaches NATS directly. */
let direct: OpenedState;
/** Reaches NATS through the relay. */
let far: OpenedState;
let other: StateStore;
let state: StateStore;

beforeAll(async () => {
  nats = await startNats();
  relay = await startTcpRelay(nats.port);
});

beforeEach(async () => {
  const opened = await openNewState(nats.url);
  direct = opened;
  far = await openState(`nats://${relay.address}`, opened.store);
  [other, state] = [direct.state, far.state];
});

afterEach(async () => {
  relay.heal();
  await far[Symbol.asyncDispose]();
  await direct[Symbol.asyncDispose]();
});

afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const textOf = async (): Promise<string | undefined> => {
  const record = await other.get(key, call);
  return record && Buffer.from(record.value).toString();
};

/** Begins a change that is stored, and whose answer is lost. In an object, since a promise would wait for it. */
async function lost<T>(
  mark: string,
  begin: () => Promise<T>,
  isStored: () => Promise<boolean>,
): Promise<{ readonly change: Promise<T> }> {
  relay.loseAnswersTo(mark);
  const change = begin();
  change.catch(() => undefined);
  await until(isStored);
  return { change };
}

const lostPut = (text: string, revision: bigint): Promise<{ readonly change: Promise<bigint> }> =>
  lost(
    text,
    () => state.put(key, Buffer.from(text), revision, call),
    async () => (await textOf()) === text,
  );

const lostRemoval = (revision: bigint): Promise<{ readonly change: Promise<void> }> =>
  lost(
    'Nats-TTL',
    () => state.remove(key, revision, call),
    async () => (await textOf()) === undefined,
  );

describe('a change whose answer is lost', () => {
  test.each([0, 1])('resolves with its revision (records before: %d)', async (before) => {
    const base = before === 0 ? 0n : await state.put(key, Buffer.from('before'), 0n, call);
    const { change } = await lostPut('MARK', base);
    const stored = await other.get(key, call);
    relay.heal();
    expect(await change).toBe(stored?.revision);
    expect((await other.get(key, call))?.revision).toBe(stored?.revision);
  });

  test('is not made again after somebody has changed the record', async () => {
    const base = await state.put(key, Buffer.from('before'), 0n, call);
    const { change } = await lostPut('MARK', base);
    await other.put(key, Buffer.from('theirs'), (await other.get(key, call))?.revision ?? 0n, call);
    relay.heal();
    await expect(change).rejects.toThrow(StateChangedError);
    expect(await textOf()).toBe('theirs');
  });

  test('is not made again after somebody has removed the new record', async () => {
    await state.get(key, call);
    const { change } = await lostPut('MARK', 0n);
    await other.remove(key, (await other.get(key, call))?.revision ?? 0n, call);
    relay.heal();
    await expect(change).rejects.toThrow(StateChangedError);
    expect(await textOf()).toBeUndefined();
  });
});

describe('a removal whose answer is lost', () => {
  test('resolves', async () => {
    const { change: removal } = await lostRemoval(await state.put(key, Buffer.from('before'), 0n, call));
    relay.heal();
    await removal;
    expect(await textOf()).toBeUndefined();
  });

  test('does not remove what somebody has put since', async () => {
    const { change: removal } = await lostRemoval(await state.put(key, Buffer.from('before'), 0n, call));
    await other.put(key, Buffer.from('theirs'), 0n, call);
    relay.heal();
    await expect(removal).rejects.toThrow(StateChangedError);
    expect(await textOf()).toBe('theirs');
  });
});
