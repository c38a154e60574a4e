import { StoreUnavailableError } from '../../src/store/errors';
import { stateContract } from '../contract/state-contract';
import { MemoryState } from './memory-state';
import { until } from './nats-server';

const call = { signal: new AbortController().signal, deadlineMs: Infinity };

describe('the state in memory', () => {
  stateContract(() => {
    const state = new MemoryState();
    return Promise.resolve({ one: state.gateway(), other: state.gateway() });
  });
});

test('a gateway that is away has no answers, and its view stands still until it is back', async () => {
  const state = new MemoryState();
  const [one, other] = [state.gateway(), state.gateway()];
  const view = await one.watch(['group.*'], call);
  one.away = true;
  const { verifiedMs } = view;
  await other.put('group.a', Buffer.from('a'), 0n, call);
  await expect(one.get('group.a', call)).rejects.toThrow(StoreUnavailableError);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(view.records.size).toBe(0);
  expect(view.verifiedMs).toBe(verifiedMs);
  one.away = false;
  await until(() => view.records.has('group.a'));
  view.close();
});

test('an operator can change and remove what there is', async () => {
  const state = new MemoryState();
  const one = state.gateway();
  const view = await one.watch(['lane.>'], call);
  state.edit('lane.a.0', Buffer.from('garbage'));
  await until(() => view.records.has('lane.a.0'));
  state.edit('lane.a.0', undefined);
  await until(() => !view.records.has('lane.a.0'));
  view.close();
});
