import { StoreMismatchError } from './errors';

/** Throws StoreMismatchError if a request has the id of another store. "": the request, or the store, has no id. */
export function checkStoreId(expected: string, actual: string): void {
  if (expected !== '' && expected !== actual) throw new StoreMismatchError(expected, actual);
}
