import { createSemaphore } from '../../src/collections/semaphore';
import { byDeadline } from '../../src/jetstream/nats/coalesce';

/** Nothing is waited for on behalf of a caller that has gone, or whose time is up. */

const gone = new Error('gone');
const never = new Promise<never>(() => undefined);
const goneCall = { signal: AbortSignal.abort(gone), deadlineMs: performance.now() + 60_000 };

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('an answer', async () => {
  const before = timers();
  await expect(byDeadline(never, goneCall)).rejects.toBe(gone);
  expect(timers()).toBe(before);
});

test('room, also when it was free', async () => {
  const room = createSemaphore(10);
  const work = jest.fn(() => Promise.resolve());
  await expect(room.with(1, goneCall.signal, work)).rejects.toBe(gone);
  let end = (): void => undefined;
  const first = room.with(10, undefined, () => new Promise<void>((resolve) => (end = resolve)));
  await expect(room.with(1, goneCall.signal, work)).rejects.toBe(gone);
  expect(work).not.toHaveBeenCalled();
  end();
  await first;
  await room.with(10, undefined, work);
  expect(work).toHaveBeenCalledTimes(1);
});
