import { callerLimits, shareOf } from '../../src/auth/caller-limits';
import { relations } from '../../src/config/limit-relations';
import { defaultLimits } from '../../src/limits';
import { shareLimits } from '../../src/workers/share-limits';

test.each([2, 3, 8, 64])('%d workers have no more of a limit of the gateway than one process', (workers) => {
  const share = shareLimits(defaultLimits, workers);
  for (const key of [
    'appendsMax',
    'readsMax',
    'subscriptionsMax',
    'sessionsMax',
    'lookupsMax',
    'callsMax',
  ] as const)
    expect(share[key] * workers).toBeLessThanOrEqual(defaultLimits[key]);
});

test.each([2, 3, 8])(
  'a connection and a stream leave a part of what each of %d workers has to others',
  (workers) => {
    const share = shareLimits(defaultLimits, workers);
    for (const [one, all] of [
      ['connectionAppendsMax', 'appendsMax'],
      ['connectionSessionsMax', 'sessionsMax'],
      ['connectionReadsMax', 'readsMax'],
      ['connectionSubscriptionsMax', 'subscriptionsMax'],
      ['connectionLookupsMax', 'lookupsMax'],
      ['streamQueueMax', 'connectionAppendsMax'],
    ] as const)
      expect(share[one]).toBeLessThanOrEqual(Math.ceil(share[all] / 2));
  },
);

test('one connection may have all that a worker has if it may have all that the gateway has', () => {
  const share = shareLimits({ ...defaultLimits, readsMax: 8, connectionReadsMax: 8 }, 2);
  expect(share).toMatchObject({ readsMax: 4, connectionReadsMax: 4 });
});

test.each([2, 3, 8, 64])('the limits of each of %d workers fit each other', (workers) => {
  const limits = shareLimits(defaultLimits, workers);
  const broken = relations.filter(
    ({ smaller, larger, least }) => limits[larger] < (least?.(limits) ?? limits[smaller]),
  );
  expect(broken.map(({ smaller, larger }) => `${smaller} ${larger}`)).toEqual([]);
});

test('a limit that is smaller than the number of workers is 1 for each', () => {
  expect(shareLimits({ ...defaultLimits, readsMax: 3 }, 8).readsMax).toBe(1);
});

test('what the auth file allows a caller is divided: rates by fractions, counts not below 1', () => {
  const whole = callerLimits(
    { appends: 10, reads: 1, sessions: 0, appends_per_s: 1, bytes_per_s: 1_000 },
    [],
    {},
  );
  expect(shareOf(whole, 1)).toBe(whole);
  expect(shareOf(whole, 1 / 4)).toEqual({
    ...shareOf(callerLimits({}, [], {}), 1),
    appends: 2,
    reads: 1,
    sessions: 0,
    appendsPerSecond: 0.25,
    bytesPerSecond: 250,
  });
});
