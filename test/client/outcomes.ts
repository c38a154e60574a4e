/** The error that a promise rejects with; fails if it resolves. */
export async function failureOf(outcome: Promise<unknown>): Promise<unknown> {
  const result = await outcome.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in result) return result.error;
  throw new Error('the call did not fail');
}

/** All values of an iterable. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
