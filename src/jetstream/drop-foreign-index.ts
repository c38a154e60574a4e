import { callApi } from './api';
import { logHead } from './head';
import { decodeIndexRecord } from './index-record';
import { lastIndexMessage } from './index-stream';
import type { KeyIndex } from './key-index';
import { endless } from './store-context';

/**
 * Empties an index that is ahead of the log. It belongs to another one, for instance to what a backup has replaced, and
 * would claim to cover commits that are yet to come.
 */
export async function dropForeignIndex(index: KeyIndex): Promise<void> {
  const last = await lastIndexMessage(index, index.subjects.fresh, endless);
  if (last === undefined) return;
  // In this order: meanwhile other gateways may write both.
  const { through } = decodeIndexRecord(last.body);
  const { sequence: logEnd } = await logHead(index, endless);
  if (through <= logEnd) return;
  const found = { indexPosition: through.toString(), logPosition: logEnd.toString() };
  index.logger.warn(found, 'the index is ahead of the log: it is made anew');
  const options = { timeoutMs: index.limits.requestTimeoutMs };
  await callApi(index.pool.append(), `STREAM.PURGE.${index.index.name}`, {}, options);
}
