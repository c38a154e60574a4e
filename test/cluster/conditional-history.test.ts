import { threeServers } from '../acceptance/environment';
import { chainedMessages } from '../support/chained-messages';
import { soak, soakServer } from '../support/soak';

const seconds = Number(process.env['TEST_SECONDS'] ?? 30);
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

test('each conditional append through two gateways of three servers follows what its writer had seen, whatever is killed or halts', async () => {
  await using environment = await threeServers(soakServer);
  const { counts, strikes } = await soak(environment, { seconds, seed, isConditional: true });
  expect(strikes.length).toBeGreaterThan(0);
  expect(await chainedMessages(environment.urls[0] as string)).toBe(0);
  for (const kind of ['stored', 'refused', 'looks']) expect(counts[kind]).toBeGreaterThan(0);
}, 600_000);
