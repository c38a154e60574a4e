import type { CallContext } from '../../store/event-store';
import { identityOf } from '../../store/log';
import type { Sequence } from '../../store/values';
import type { StoredMessage } from '../nats/message';
import { readPart } from './commit-codec';
import { isControlMessage, readControl } from './control-codec';
import { messageOrStubAt } from './entry-at';
import { nameOf, type LogAccess } from './log-access';

/** What distinguishes the commit that ends at a sequence from any other; undefined: no commit ends there. */
export async function identityAt(
  log: LogAccess,
  sequence: Sequence,
  call: CallContext,
): Promise<string | undefined> {
  const found = await messageOrStubAt(log, sequence, call);
  return typeof found === 'string' ? undefined : identityIn(log, found.message);
}

/** The same for a message that was read already. */
export function identityIn(log: Pick<LogAccess, 'prefix'>, message: StoredMessage): string | undefined {
  try {
    const name = nameOf(log, message.subject);
    return identityOf(isControlMessage(message) ? readControl(name, message) : readPart(name, message));
  } catch {
    return undefined;
  }
}
