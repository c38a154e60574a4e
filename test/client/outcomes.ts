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

/** Each item with where the loop is after it. */
export async function withCursors<T>(
  items: AsyncIterable<T> & { readonly cursor: string | undefined },
): Promise<{ readonly item: T; readonly cursor: string }[]> {
  const found: { readonly item: T; readonly cursor: string }[] = [];
  for await (const item of items) found.push({ item, cursor: items.cursor ?? 'none' });
  return found;
}
