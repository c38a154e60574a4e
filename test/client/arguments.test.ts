import { connect, type SluiceClient } from '../../src/client/client';
import { failureOf } from './outcomes';

/** Arguments that cannot be sent are refused at once: there is no gateway here. */
let client: SluiceClient;
beforeAll(() => {
  client = connect('127.0.0.1:1');
});
afterAll(() => {
  client.close();
});

test.each([-1, 1.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 64n])(
  '%p is no version and no count',
  async (value) => {
    const refusals = [
      () => client.readStream('a', { fromVersion: value }),
      () => client.readStream('a', { toVersion: value }),
      () => client.readStream('a', { maxCount: value }),
      () => client.readStream('a', { page: { eventsMax: Number(value) } }),
      () => client.readByCorrelation('a', { maxCount: value }),
      () => client.listStreams({ maxCount: value }),
    ];
    for (const refusal of refusals) expect(refusal).toThrow(RangeError);
    const appending = await failureOf(client.append('a', [], { expectedVersion: value }));
    expect(appending).toBeInstanceOf(RangeError);
    expect((appending as Error).message).toContain(`expectedVersion must be`);
    const { streams } = client;
    const changes = [
      streams.truncate('a', value),
      streams.setRetention('a', { maxCount: value }),
      streams.delete('a', { expectedVersion: value }),
    ];
    for (const error of await Promise.all(changes.map(failureOf))) expect(error).toBeInstanceOf(RangeError);
  },
);

test.each(['1', true, {}])('%p is not a number', async (value) => {
  const wrong = value as unknown as bigint;
  expect(() => client.readStream('a', { maxCount: wrong })).toThrow(TypeError);
  expect(await failureOf(client.append('a', [], { expectedVersion: wrong }))).toBeInstanceOf(TypeError);
});

test.each<unknown>([undefined, null, 7, {}])('%p is not text', async (value) => {
  const wrong = value as string;
  for (const refusal of [() => client.readStream(wrong), () => client.readByCorrelation(wrong)])
    expect(refusal).toThrow(/text must be a string, not /);
  const event = { type: 'T' };
  const session = client.appendSession();
  const calls = [
    client.append(wrong, [event]),
    client.append('a', [{ type: wrong }]),
    client.append('a', [{ type: 'T', metadata: { key: wrong } }]),
    client.append('a', [{ type: 'T', tags: [wrong] }]),
    client.appendMulti([{ stream: wrong, events: [event] }]),
    client.getVersion(wrong),
    client.streams.get(wrong),
    client.streams.tombstone(wrong),
    session.append('a', [{ type: wrong }]),
  ];
  for (const error of await Promise.all(calls.map(failureOf))) expect(error).toBeInstanceOf(TypeError);
  await failureOf(session.close()); // there is no gateway
});

test.each([NaN, Infinity])('%p is no age', async (maxAgeMs) => {
  const error = await failureOf(client.streams.setRetention('a', { maxAgeMs }));
  expect((error as Error).message).toMatch(/^maxAgeMs must be/);
  expect(error).toBeInstanceOf(RangeError);
});

test('a page has at most 2^32 - 1 events', () => {
  expect(() => client.readStream('a', { page: { bytesMax: 2 ** 32 } })).toThrow(
    /page\.bytesMax .* 4294967296/,
  );
});

test('an invalid Date is not a time', async () => {
  const invalid = new Date('never');
  expect(() => client.readStream('a', { fromTime: invalid })).toThrow(RangeError);
  expect(() => client.readStream('a', { toTime: invalid })).toThrow(RangeError);
  expect(await failureOf(client.getVersion('a', { asOf: invalid }))).toBeInstanceOf(RangeError);
});
