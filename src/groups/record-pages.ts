import type { CallContext } from '../store/event-store';
import type { StateRecord, StateStore } from '../store/state-store';

/** Records that are read side by side: those of one page. */
const pageRecords = 64;

/** The records of keys, in their order and in pages, as they are when their page is read; keys without a record are left out. */
export async function* recordPages(
  state: Pick<StateStore, 'get'>,
  keys: readonly string[],
  call: CallContext,
): AsyncGenerator<readonly StateRecord[], void> {
  for (let from = 0; from < keys.length; from += pageRecords) {
    const page = keys.slice(from, from + pageRecords);
    const found = await Promise.all(page.map((key) => state.get(key, call)));
    yield found.filter((record) => record !== undefined);
  }
}

/** From this number of records on, it is worth to read them with a consumer. */
const scannedMin = 512;

/** Calls `visit` with each record that matches a pattern, in any order; with one that changes meanwhile, maybe again. */
export async function visitRecords(
  state: Pick<StateStore, 'get' | 'keys' | 'scan'>,
  pattern: string,
  visit: (record: StateRecord) => void,
  call: CallContext,
): Promise<void> {
  const keys = await state.keys(pattern, call);
  if (keys.length >= scannedMin) {
    await state.scan(pattern, visit, call);
    return;
  }
  for await (const page of recordPages(state, keys, call)) page.forEach(visit);
}

/** Calls `act` for each item, some at a time. */
export async function forEachOf<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: pageRecords }, worker));
}
