import { createSemaphore } from '../../src/collections/semaphore';

/** Work that runs until it is released. */
function held(): { readonly work: () => Promise<string>; release(): void } {
  let release: () => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    release = () => {
      resolve('done');
    };
  });
  return { work: () => ended, release };
}

test('one that comes while too many wait is refused, and the others get their turn in order', async () => {
  const semaphore = createSemaphore(1, { max: 2, refusal: () => new Error('too many wait') });
  const first = held();
  const order: number[] = [];
  const run = (number: number): Promise<void> =>
    semaphore.with(1, undefined, () => Promise.resolve(void order.push(number)));
  const running = semaphore.with(1, undefined, first.work);
  const waiting = [run(1), run(2)];
  await expect(run(3)).rejects.toThrow('too many wait');
  expect(order).toEqual([]);
  first.release();
  await Promise.all([running, ...waiting]);
  await run(4);
  expect(order).toEqual([1, 2, 4]);
});

test('one that gives up makes room for another one', async () => {
  const semaphore = createSemaphore(1, { max: 1, refusal: () => new Error('too many wait') });
  const first = held();
  const running = semaphore.with(1, undefined, first.work);
  const impatient = new AbortController();
  const given = semaphore.with(1, impatient.signal, () => Promise.resolve());
  impatient.abort(new Error('given up'));
  await expect(given).rejects.toThrow('given up');
  const patient = semaphore.with(1, undefined, () => Promise.resolve('served'));
  first.release();
  expect(await Promise.all([running, patient])).toEqual(['done', 'served']);
});

test('a failure gives its permits back', async () => {
  const semaphore = createSemaphore(1);
  await expect(semaphore.with(1, undefined, () => Promise.reject(new Error('failed')))).rejects.toThrow(
    'failed',
  );
  expect(await semaphore.with(1, undefined, () => Promise.resolve('served'))).toBe('served');
});
