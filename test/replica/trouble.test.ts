import { createTrouble } from '../../src/replica/trouble';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('what is over is told of for a minute', () => {
  const trouble = createTrouble();
  trouble.over();
  trouble.met('paused');
  jest.advanceTimersByTime(60_000);
  trouble.over();
  expect(trouble.reason).toBe('paused');
  jest.advanceTimersByTime(1);
  trouble.over();
  expect(trouble.reason).toBe('');
});

test('what delayed the start is over once it has begun', () => {
  const trouble = createTrouble();
  trouble.met('there is no leader yet');
  expect(trouble.reason).toBe('there is no leader yet');
  trouble.over();
  expect(trouble.reason).toBe('');
});
