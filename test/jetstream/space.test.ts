import { setTimeout as sleep } from 'node:timers/promises';
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

test('what one process learns of a full store, others know; they do not prolong it for each other', async () => {
  const [primary, worker, other] = [1, 2, 3].map(() => new Space(pino({ level: 'silent' }))) as [
    Space,
    Space,
    Space,
  ];
  worker.refuse('the log is full');
  const { refused } = worker.takeReport();
  for (let round = 0; round < 3; round++) {
    for (const one of [worker, other]) primary.note(one.takeReport());
    for (const one of [worker, other]) one.takeDisk(primary.disk);
    await sleep(20);
  }
  expect(other.fullBy).toBe('the log is full');
  expect(primary.fullBy).toBe('the log is full');
  for (const space of [primary, worker, other])
    expect(space.takeReport().refused?.forMs).toBeLessThan((refused?.forMs ?? 0) - 20);
});
