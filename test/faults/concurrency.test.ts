import { singleServer } from '../acceptance/environment';
import { appendTogether } from './append-together';

test('writers of all kinds over two gateways never share a version', async () => {
  await using server = await singleServer({ maxPayloadBytes: 8_192 });
  await appendTogether(server);
}, 120_000);
