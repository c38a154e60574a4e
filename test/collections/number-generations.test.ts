import { NumberGenerations } from '../../src/collections/number-generations';

test('has the numbers of two generations, and forgets the older one', () => {
  const numbers = new NumberGenerations(10);
  for (let number = 0; number < 30; number++) {
    if (numbers.isFull) numbers.rotate();
    expect(numbers.has(number)).toBe(false);
    expect(numbers.add(number)).toBe(true);
    expect(numbers.has(number)).toBe(true);
  }
  const known = Array.from({ length: 30 }, (_, number) => numbers.has(number));
  expect(known.indexOf(true)).toBe(10);
  expect(known.slice(10)).not.toContain(false);
});
