import { createRecentFailure } from '../../src/replica/apply/recent-failure';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('a failure that is over is reported as recent for a minute', () => {
  const failure = createRecentFailure();
  failure.clear();
  failure.record('paused');
  expect(failure).toMatchObject({ current: 'paused', recent: 'paused' });
  jest.advanceTimersByTime(60_000);
  failure.clear();
  expect(failure).toMatchObject({ current: '', recent: 'paused' });
  jest.advanceTimersByTime(1);
  failure.clear();
  expect(failure).toMatchObject({ current: '', recent: '' });
});

test('a failure before the first success is not reported after it', () => {
  const failure = createRecentFailure();
  failure.record('there is no leader yet');
  expect(failure).toMatchObject({ current: 'there is no leader yet', recent: 'there is no leader yet' });
  failure.clear();
  expect(failure).toMatchObject({ current: '', recent: '' });
});
