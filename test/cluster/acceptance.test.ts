import { threeServers, type Environment } from '../acceptance/environment';
import {
  appendSessions,
  batchAppend,
  connectToCluster,
  firstWriteWins,
  getVersion,
  singleEventLifecycle,
} from '../acceptance/replicated-rows';
import { followThroughFailures } from '../acceptance/follow-rows';
import { appendMultiThroughKills } from '../acceptance/multi-rows';

let cluster: Environment;
beforeAll(async () => {
  cluster = await threeServers();
});
afterAll(() => cluster[Symbol.asyncDispose]());

test('test_connect_to_cluster', () => connectToCluster(cluster), 180_000);
test('test_single_event_lifecycle', () => singleEventLifecycle(cluster));
test('test_batch_append_small', () => batchAppend(cluster, 10));
test('test_batch_append_medium', () => batchAppend(cluster, 100));
test('test_batch_append_large', () => batchAppend(cluster, 1_000));
test('test_first_write_wins', () => firstWriteWins(cluster), 120_000);
test('test_append_session', () => appendSessions(cluster), 180_000);
test('test_append_multi', () => appendMultiThroughKills(cluster), 180_000);
test('test_follow_through_failures', () => followThroughFailures(cluster, 100_000), 300_000);
test('test_get_version', () => getVersion(cluster));
