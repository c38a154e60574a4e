import { threeServers } from '../acceptance/environment';
import { soak, soakServer } from '../support/soak';

const seconds = Number(process.env['TEST_SECONDS'] ?? 60);
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

test('what 32 writers and their readers observe of three servers is linearizable, whatever is killed or halts', async () => {
  await using servers = await threeServers(soakServer);
  const { counts, strikes } = await soak(servers, { seconds, seed });
  expect(strikes.length).toBeGreaterThan(0);
  for (const kind of ['stored', 'refused', 'looks']) expect(counts[kind]).toBeGreaterThan(0);
}, 600_000);
