import type { AppendMultiResult, CallContext } from '../../store/event-store';
import { beginning, versionAfter } from '../../store/values';
import type { CurrentHead } from '../log/head';
import { replay, type Appended } from './appended';
import { lookUp, type Knowledge } from './look-up';
import type { Publisher } from './publisher';
import { isWritten, type Transaction } from './transaction';

/** A transaction that is stored already, or what it would be if it were stored now. */
export type Validated =
  Appended | (AppendMultiResult & { readonly commitId: undefined; readonly commitTime: undefined });

/** Decides on a transaction as the log is now, and stores nothing. Throws the StoreError that the transaction would fail with. */
export async function validate(
  knowledge: Knowledge & { readonly publisher: Publisher },
  transaction: Transaction,
  call: CallContext,
): Promise<Validated> {
  const { commits, heads } = await lookUp(knowledge, transaction, undefined, call);
  if (commits.length > 0) return replay(knowledge, transaction, commits, { doubted: undefined, call });
  const { publisher } = knowledge;
  publisher.messagesOf(transaction, heads);
  if (publisher.space.closedBy !== undefined) throw publisher.space.closedBy;
  const streams = transaction.parts.flatMap((part, index) => {
    if (!isWritten(part)) return [];
    const { version } = heads[index] as CurrentHead;
    const last = versionAfter(version, BigInt(part.events.length));
    return [{ stream: part.stream, version: last, firstVersion: versionAfter(version, 1n) }];
  });
  return { position: beginning, streams, replayed: false, commitId: undefined, commitTime: undefined };
}
