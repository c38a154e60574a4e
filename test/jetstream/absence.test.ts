import { connect } from 'nats';
import { callApi, type StreamInfo } from '../../src/jetstream/nats/api';
import { NoRespondersError } from '../../src/jetstream/nats/errors';
import { createLink, type Link } from '../../src/jetstream/nats/link';
import { publishAtomically, type Outcome } from '../../src/jetstream/nats/publish';
import { startNats, type TestNats } from '../support/nats-server';

let nats: TestNats;
let link: Link;

beforeAll(async () => {
  nats = await startNats();
  link = createLink(await connect({ servers: nats.url }));
});

afterAll(async () => {
  await link.close();
  await nats[Symbol.asyncDispose]();
});

const timeoutMs = 10_000;

/** Asks on a subject that nobody need serve. */
async function ask(subject: string, absenceMaxMs: number): Promise<string> {
  const { body } = await link.request(subject, '', { timeoutMs, absenceMaxMs });
  return Buffer.from(body).toString();
}

test('a request waits for a server that answers it', async () => {
  const answer = ask('late.request', 5_000);
  const early = await Promise.race([
    answer,
    new Promise((resolve) => setTimeout(resolve, 300, 'nothing yet')),
  ]);
  expect(early).toBe('nothing yet');
  const other = await connect({ servers: nats.url });
  other.subscribe('late.request', { callback: (_error, message) => message.respond('here') });
  expect(await answer).toBe('here');
  await other.close();
});

/** Publishes a message that a stream must take, which need not be there. */
function publish(subject: string, absenceMaxMs: number): Promise<Outcome> {
  const body = Buffer.from('body');
  return publishAtomically(link, [{ subject, headers: {}, body }], { timeoutMs: 250, absenceMaxMs });
}

test('a message waits for somebody who takes it, and is stored once', async () => {
  const outcome = publish('later.a', timeoutMs);
  const early = await Promise.race([
    outcome,
    new Promise((resolve) => setTimeout(resolve, 600, 'nothing yet')),
  ]);
  expect(early).toBe('nothing yet');
  await callApi(link, 'STREAM.CREATE.LATER', { name: 'LATER', subjects: ['later.>'] }, { timeoutMs });
  expect(await outcome).toEqual({ kind: 'stored', sequence: 1n });
  const info = await callApi<StreamInfo>(link, 'STREAM.INFO.LATER', undefined, { timeoutMs });
  expect(info.state.messages).toBe(1);
});

test('a message that nobody takes is known not to be stored', async () => {
  expect(await publish('never.a', 300)).toEqual({
    kind: 'failed',
    cause: expect.any(NoRespondersError) as unknown,
  });
});

test('it does not wait for ever', async () => {
  await expect(ask('never.request', 200)).rejects.toThrow(NoRespondersError);
});
