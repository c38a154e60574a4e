import type { CallContext } from '../../store/event-store';
import type { StateRecord } from '../../store/state-store';
import { createSemaphore } from '../../collections/semaphore';
import { within } from '../log/bounded-call';
import { streamInfo } from '../nats/api';
import { isRefused } from '../nats/errors';
import { keyOf, recordIn, subjectOf, type StateAccess } from './state-access';
import { newestMessage } from './write-record';

const requestsMax = 32;

/** All records whose keys begin with a prefix, by key, as the leader has them. */
export async function listRecords(
  access: StateAccess,
  prefix: string,
  call: CallContext,
): Promise<StateRecord[]> {
  const keys = await listKeys(access, `${prefix}>`, call);
  const requests = createSemaphore(requestsMax);
  const messages = await Promise.all(
    keys.map((key) => requests.with(1, undefined, () => newestMessage(access, key, call))),
  );
  const records = messages.flatMap((message) => (message && recordIn(access, message)) ?? []);
  return records.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The keys that match a pattern, also of removed records while what marks them is kept. Without the stream no key matches. */
export async function listKeys(access: StateAccess, pattern: string, call: CallContext): Promise<string[]> {
  try {
    return await listPages(access, pattern, call);
  } catch (error) {
    if (isRefused(error, 'streamNotFound')) return [];
    throw error;
  }
}

async function listPages(access: StateAccess, pattern: string, call: CallContext): Promise<string[]> {
  const { pool, stream, limits } = access;
  const keys: string[] = [];
  for (;;) {
    const request = { subjects_filter: subjectOf(access, pattern), offset: keys.length };
    const options = within(call, limits.requestTimeoutMs);
    const { state, total = 0 } = await streamInfo(pool.read(), stream.name, request, options);
    const page = Object.keys(state.subjects ?? {});
    for (const subject of page) keys.push(keyOf(access, subject));
    if (page.length === 0 || keys.length >= total) return keys;
  }
}
