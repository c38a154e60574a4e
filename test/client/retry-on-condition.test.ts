import {
  AppendConditionFailedError,
  connect,
  withRetryOnCondition,
  type AppendCondition,
  type AppendResult,
  type RecordedEvent,
  type SluiceClient,
} from '../../src/client/client';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** The loop of reading by a query, deciding and appending on condition. */
let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
});

afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const attemptsMax = 1_000;

function ofCourse(course: string) {
  return { items: [{ eventTypes: ['Enrolled'], tags: [`course:${course}`] }] };
}

/** Enrols a student, whose events have a stream of their own. Each event has the number of earlier ones. */
function enrol(
  course: string,
  student: number,
  events: readonly RecordedEvent[],
  condition: AppendCondition,
): Promise<AppendResult> {
  const tags = [`course:${course}`, `student:${student}`];
  const metadata = { before: events.length.toString() };
  return client.append(`student.${student}`, [{ type: 'Enrolled', tags, metadata }], { condition });
}

test('lets writers on different streams that collide decide again on what came since', async () => {
  const seats = 5;
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, student) =>
      withRetryOnCondition(
        client,
        ofCourse('math'),
        async (events, condition) => {
          if (events.length >= seats) return 'full';
          return (await enrol('math', student, events, condition)).version;
        },
        { attemptsMax },
      ),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'full')).toHaveLength(12 - seats);
  const before: number[] = [];
  for await (const { metadata } of client.readAll({ query: ofCourse('math') }))
    before.push(Number(metadata.get('before')));
  expect(before).toEqual(Array.from({ length: seats }, (_, i) => i));
});

test('gives each attempt all events of the query, and a condition after them', async () => {
  const seen: number[] = [];
  let other = 0;
  const result = await withRetryOnCondition(client, ofCourse('art'), async (events, condition) => {
    seen.push(events.length);
    // Somebody else is faster twice.
    if (other < 2) await client.append(`other.${other}`, [{ type: 'Enrolled', tags: ['course:art'] }]);
    other++;
    return enrol('art', 100, events, condition);
  });
  expect(result.version).toBe(1n);
  expect(seen).toEqual([0, 1, 2]);
});

test('gives up after the last attempt, and at once for any other error', async () => {
  let decisions = 0;
  const tooLate = withRetryOnCondition(
    client,
    ofCourse('law'),
    async (events, condition) => {
      await client.append(`law.${decisions++}`, [{ type: 'Enrolled', tags: ['course:law'] }]);
      return enrol('law', 200, events, condition);
    },
    { attemptsMax: 3 },
  );
  await expect(tooLate).rejects.toBeInstanceOf(AppendConditionFailedError);
  expect(decisions).toBe(3);
  const other = new Error('not for sale');
  await expect(withRetryOnCondition(client, ofCourse('law'), () => Promise.reject(other))).rejects.toBe(
    other,
  );
  const bad = withRetryOnCondition(client, ofCourse('law'), () => Promise.reject(other), { attemptsMax: 0 });
  await expect(bad).rejects.toThrow(RangeError);
});

test('ends with the reason of its signal', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  let number = 0;
  const attempts = withRetryOnCondition(
    client,
    ofCourse('music'),
    async (events, condition) => {
      await client.append(`music.${number++}`, [{ type: 'Enrolled', tags: ['course:music'] }]);
      setTimeout(() => {
        controller.abort(reason);
      });
      return enrol('music', 300, events, condition);
    },
    { attemptsMax: Infinity, signal: controller.signal },
  );
  await expect(attempts).rejects.toBe(reason);
});
