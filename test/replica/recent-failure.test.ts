import { createRecentFailure } from '../../src/replica/apply/recent-failure';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('what is over is told of for a minute, as what was', () => {
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

test('what delayed the start is over once it has begun', () => {
  const failure = createRecentFailure();
  failure.record('there is no leader yet');
  expect(failure).toMatchObject({ current: 'there is no leader yet', recent: 'there is no leader yet' });
  failure.clear();
  expect(failure).toMatchObject({ current: '', recent: '' });
});
