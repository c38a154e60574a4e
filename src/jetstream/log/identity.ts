import type { CallContext } from '../../store/event-store';
import { identityOf } from '../../store/log';
import { apiGet } from '../nats/api';
import { readPart } from './commit-codec';
import type { StoredMessage } from '../nats/message';
import { nameOf, within, type StoreContext } from './store-context';

/** What is stored at a sequence, told apart from anything else that could be; undefined: no commit ends there. */
export async function identityAt(
  context: StoreContext,
  sequence: bigint,
  call: CallContext,
): Promise<string | undefined> {
  const options = within(call, context.limits.requestTimeoutMs);
  const message = await apiGet(context.pool.read(), context.log, { seq: Number(sequence) }, options);
  return message && identityIn(context, message);
}

/** The same of a message. */
export function identityIn(
  context: Pick<StoreContext, 'prefix'>,
  message: StoredMessage,
): string | undefined {
  try {
    return identityOf(readPart(nameOf(context, message.subject), message));
  } catch {
    return undefined;
  }
}
