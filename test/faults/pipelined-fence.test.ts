import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { Fence } from '../../src/jetstream/append/fence';
import { sequence, type Sequence } from '../../src/store/values';
import { startConditionalWriters } from '../support/conditional-writers';
import { startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { inOneProcess } from '../support/one-process';

/**
 * The check of conditional appends finds a fence that is pipelined: several in flight, each published on the assumption that those
 * before it take the next sequences. Where somebody else takes one of these, the next one is stored after what nobody has evaluated.
 */

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

/** Lets 36 callers append through two gateways, and returns what is wrong with the log. */
async function faultsOfWriters(appends: number): Promise<string[]> {
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const writers = startConditionalWriters([one.client, other.client], `fence-${randomUUID()}`);
  let faults: string[] = [];
  try {
    await writers.more(appends);
  } finally {
    faults = await writers.faults(one.client);
  }
  return faults;
}

test('with one fenced publish in flight for each gateway, each append follows what its writer had seen', async () => {
  expect(await faultsOfWriters(300)).toEqual([]);
}, 120_000);

/** An append in flight. */
interface Flight {
  query: string;
}

/** Fences that assume what will be stored. Of appends in flight no two have the same query, so that they do not disturb each other. */
function pipelined(): () => void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- they are called with `this`
  const { inTurn, known, match } = Fence.prototype;
  const flights = new Set<Flight>();
  const own = new AsyncLocalStorage<Flight>();
  const assumed = new WeakMap<Fence, bigint>();
  Fence.prototype.inTurn = async function (this: Fence, _call, work) {
    const flight = { query: '' };
    flights.add(flight);
    try {
      return await own.run(flight, work);
    } finally {
      flights.delete(flight);
      // Or plain appends would wait for ever after a third lost round.
      (this as unknown as { letGo(): void }).letGo();
    }
  };
  Fence.prototype.known = async function (this: Fence, call): Promise<Sequence> {
    const end = await known.call(this, call);
    const next = assumed.get(this) ?? 0n;
    // As many may be in flight; more have lost their places.
    const fence = next > end && next < end + 8n ? next : end;
    assumed.set(this, fence + 1n);
    return sequence(fence);
  };
  Fence.prototype.match = async function (this: Fence, condition, upTo, call) {
    const flight = own.getStore() as Flight;
    const query = JSON.stringify(condition.query);
    const isTaken = [...flights].some((each) => each !== flight && each.query === query);
    flight.query = query;
    if (isTaken) return { item: 0, position: condition.after, eventId: '' };
    return match.call(this, condition, upTo, call);
  };
  return () => {
    Object.assign(Fence.prototype, { inTurn, known, match });
  };
}

inOneProcess('the fault is in the process of the test')(
  'the check finds a fence that is pipelined',
  async () => {
    const restore = pipelined();
    try {
      // A few of a hundred appends, depending on how busy the machine is.
      let faults: string[] = [];
      for (let round = 0; round < 10 && faults.length === 0; round++) faults = await faultsOfWriters(200);
      expect(faults.length).toBeGreaterThan(0);
      expect(faults[0]).toMatch(/^event .* was decided after \d+, and follows \d+$/);
    } finally {
      restore();
    }
  },
  120_000,
);
