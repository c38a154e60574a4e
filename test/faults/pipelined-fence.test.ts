import { randomUUID } from 'node:crypto';
import { Fence } from '../../src/jetstream/append/fence';
import { chainedMessages } from '../support/chained-messages';
import { startConditionalWriters } from '../support/conditional-writers';
import { startTestGateway } from '../support/gateway';
import { startCluster, startNats, type TestNats } from '../support/nats-server';
import { inOneProcess } from '../support/one-process';

/**
 * The check of conditional appends finds a fence that is pipelined without more: several in flight, each published on the assumption
 * that those before it take the next sequences. Where somebody else takes one of these, the next one is stored after what nobody has
 * evaluated, unless it also names the commit that it assumes before it.
 */

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

/** Lets 36 callers append through two gateways, and returns what is wrong with the log. */
async function faultsOfWriters(appends: number, urls: readonly string[] = [nats.url]): Promise<string[]> {
  await using one = await startTestGateway(urls);
  await using other = await startTestGateway(urls);
  const writers = startConditionalWriters([one.client, other.client], `fence-${randomUUID()}`);
  let faults: string[] = [];
  try {
    await writers.more(appends);
  } finally {
    faults = await writers.faults(one.client);
  }
  return faults;
}

test('each append follows what its writer had seen, also where several are in flight', async () => {
  expect(await faultsOfWriters(300)).toEqual([]);
  expect(await chainedMessages(nats.url)).toBeGreaterThan(0);
}, 120_000);

test('in a cluster one is in flight, since a log without replicas can get some at any time', async () => {
  await using cluster = await startCluster();
  expect(
    await faultsOfWriters(
      100,
      cluster.nodes.map(({ url }) => url),
    ),
  ).toEqual([]);
  expect(await chainedMessages(cluster.nodes[0]?.url as string)).toBe(0);
}, 120_000);

/** Fences that only assume what is before an append. */
function onTrust(): () => void {
  const { prototype } = Fence as unknown as { readonly prototype: { predecessor: () => string | undefined } };
  const { predecessor } = prototype;
  prototype.predecessor = () => undefined;
  return () => {
    Object.assign(prototype, { predecessor });
  };
}

inOneProcess('the fault is in the process of the test')(
  'the check finds a fence that is pipelined on trust',
  async () => {
    const restore = onTrust();
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
