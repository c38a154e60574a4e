import pino from 'pino';
import { Space } from '../../src/jetstream/log/space';

test('the bound of a log is a whole number of bytes, whatever share of the disk it has', () => {
  const space = new Space(pino({ level: 'silent' }));
  space.setFreeBytes(100 / 3);
  expect(space.bytesMax(1_000, 0)).toBe(1_033);
  space.setFreeBytes(-0.5);
  expect(space.bytesMax(1_000, 0)).toBe(1_000);
});

test('a log without a bound, on a disk of its own, has no bound', () => {
  expect(new Space(pino({ level: 'silent' })).bytesMax(1_000, -1)).toBe(0);
});
