import { threeServers, type Environment } from '../acceptance/environment';
import { groupThroughFailures, groupWithPausedGateway } from '../acceptance/group-rows';

/** Consumer groups on three servers. */

let cluster: Environment;
beforeAll(async () => {
  cluster = await threeServers();
});
afterAll(() => cluster[Symbol.asyncDispose]());

test('test_group_through_failures', () => groupThroughFailures(cluster, 100), 300_000);

test('test_group_with_paused_gateway', () => groupWithPausedGateway(cluster), 120_000);
