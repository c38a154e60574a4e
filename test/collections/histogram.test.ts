import { durationBounds, Histogram } from '../../src/collections/histogram';

test('a value on a bound counts below it, and one above all bounds is not lost', () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [0, 1, 1.5, 2, 4, 4.5, 1_000]) histogram.observe(value);
  expect([...histogram.counts]).toEqual([2, 2, 1, 2]);
  expect(histogram.sum).toBe(1_013);
});

test('the bounds of times ascend', () => {
  expect([...durationBounds].sort((a, b) => a - b)).toEqual(durationBounds);
});
