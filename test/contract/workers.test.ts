import { startNats, type TestNats } from '../support/nats-server';
import { contractSuite } from './contract-suite';
import { openOverWorkers } from './open';

/** JetStream on a real server, reached over gRPC through a gateway with two workers. */
let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

contractSuite((limits) => openOverWorkers(nats.url, limits));
