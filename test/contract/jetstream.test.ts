import { startNats, type TestNats } from '../support/nats-server';
import { contractSuite } from './contract-suite';
import { openJetStream } from './open';

/** JetStream on a real server, without a gateway before it. */
let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

contractSuite((limits) => openJetStream(nats.url, limits));
