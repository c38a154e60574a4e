import { connect } from 'nats';
import { callApi, type StreamInfo } from '../../src/jetstream/api';
import { directGetBatch } from '../../src/jetstream/direct-get';
import { NoRespondersError } from '../../src/jetstream/errors';
import { createLink, type Link } from '../../src/jetstream/link';
import { publishAtomically, type Outcome } from '../../src/jetstream/publish';
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

/** Asks for the first message of a stream, which need not be there. */
function ask(name: string, absenceMaxMs?: number): ReturnType<typeof directGetBatch> {
  const bound = absenceMaxMs === undefined ? {} : { absenceMaxMs };
  const lookup = { seq: 1, next_by_subj: '>', batch: 1 };
  return directGetBatch(link, { name, replicas: 1 }, lookup, { timeoutMs, ...bound });
}

test('a question waits for somebody who answers it', async () => {
  const answer = ask('LATE');
  const early = await Promise.race([
    answer,
    new Promise((resolve) => setTimeout(resolve, 300, 'nothing yet')),
  ]);
  expect(early).toBe('nothing yet');
  const config = { name: 'LATE', subjects: ['late.>'], allow_direct: true };
  await callApi(link, 'STREAM.CREATE.LATE', config, { timeoutMs });
  expect(await answer).toEqual({ messages: [], more: false });
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
  await expect(ask('NEVER', 200)).rejects.toThrow(NoRespondersError);
});
