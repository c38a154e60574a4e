import { createTrouble } from '../../src/replica/apply/recent-failure';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('what is over is told of for a minute, as what was', () => {
  const trouble = createTrouble();
  trouble.over();
  trouble.met('paused');
  expect(trouble).toMatchObject({ now: 'paused', lately: 'paused' });
  jest.advanceTimersByTime(60_000);
  trouble.over();
  expect(trouble).toMatchObject({ now: '', lately: 'paused' });
  jest.advanceTimersByTime(1);
  trouble.over();
  expect(trouble).toMatchObject({ now: '', lately: '' });
});

test('what delayed the start is over once it has begun', () => {
  const trouble = createTrouble();
  trouble.met('there is no leader yet');
  expect(trouble).toMatchObject({ now: 'there is no leader yet', lately: 'there is no leader yet' });
  trouble.over();
  expect(trouble).toMatchObject({ now: '', lately: '' });
});
