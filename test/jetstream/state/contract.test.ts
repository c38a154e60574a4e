import { stateContract } from '../../contract/state-contract';
import { startNats, type TestNats } from '../../support/nats-server';
import { openNewState, openState, type OpenedState } from '../../support/opened-state';

/** The records of a store on a real server. */
let nats: TestNats;
const opened: OpenedState[] = [];

beforeAll(async () => {
  nats = await startNats();
});

afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

stateContract(async () => {
  const one = await openNewState(nats.url);
  const other = await openState(nats.url, one.store);
  opened.push(one, other);
  return { one: one.state, other: other.state };
});
