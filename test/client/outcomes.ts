/** What a promise rejects with; fails if it does not. */
export async function failureOf(outcome: Promise<unknown>): Promise<unknown> {
  const result = await outcome.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in result) return result.error;
  throw new Error('the call did not fail');
}

/** All that an iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
