import type { CallContext, ListStreamsQuery, StreamSummary } from '../store/event-store';
import { UnreadableCommitError } from '../store/errors';
import { parseStreamName, position, unixNanos, version, type StreamName } from '../store/values';
import { streamInfo } from './api';
import { readPart } from './commit-codec';
import { directGetBatch } from './direct-get';
import { toHead } from './head';
import { pagesAfter, type NamePage } from './pages-after';
import { nameOf, subjectOf, within, type StoreContext } from './store-context';
import { storedMessage, type StoredMessage } from './message';

const headsPerPageMax = 256;
const questionFramingBytes = 128;

/** Heads asked for in one question: the server refuses more than 1,024, and what is larger than its max_payload. */
function headsPerPage({ pool, prefix, limits }: StoreContext): number {
  const headBytesMax = `"${prefix}.",`.length + limits.streamNameBytesMax;
  const fitting = Math.floor((pool.read().maxPayloadBytes - questionFramingBytes) / headBytesMax);
  return Math.max(1, Math.min(headsPerPageMax, fitting));
}

/** Streams by name in byte order, in pages, each with its head. */
export async function* listStreams(
  context: StoreContext,
  query: ListStreamsQuery,
  call: CallContext,
): AsyncGenerator<readonly StreamSummary[], void> {
  const heads = headsPerPage(context);
  let left = query.maxCount;
  for await (const names of namesAfter(context, query, call)) {
    for (let at = 0; at < names.length; at += heads) {
      if (left === 0n) return;
      const most = left === undefined || left > BigInt(heads) ? heads : Number(left);
      const page = await summaries(context, names.slice(at, at + most), call);
      if (left !== undefined) left -= BigInt(page.length);
      yield page;
    }
  }
}

/** The server gives subjects in byte order, in pages of its own size. */
async function* namesAfter(
  context: StoreContext,
  { pattern, after }: ListStreamsQuery,
  call: CallContext,
): AsyncGenerator<readonly StreamName[], void> {
  const { pool, log, limits, prefix } = context;
  const ask = async (offset: number): Promise<NamePage> => {
    const request = { subjects_filter: `${prefix}.${pattern}`, offset };
    const info = await streamInfo(pool.read(), log.name, request, within(call, limits.requestTimeoutMs));
    const subjects = Object.keys(info.state.subjects ?? {});
    return { names: subjects.map((subject) => nameOf(context, subject)).sort(), total: info.total ?? 0 };
  };
  let last = after;
  for await (const page of pagesAfter(ask, after)) {
    const from = last;
    // A new stream shifts the server's pages, so that one may come twice.
    const names = page
      .map(parseStreamName)
      .filter((name): name is StreamName => name !== undefined && name > from);
    yield names;
    last = names.at(-1) ?? last;
  }
}

async function summaries(
  context: StoreContext,
  names: readonly StreamName[],
  call: CallContext,
): Promise<StreamSummary[]> {
  const messages = await lastMessages(context, new Set(names.map((name) => subjectOf(context, name))), call);
  const newest = messages.reduce((last, { sequence }) => (sequence > last ? sequence : last), 0n);
  await context.durability.through(newest);
  const bySubject = new Map(messages.map((message) => [message.subject, message]));
  return names.flatMap((name) => {
    const message = bySubject.get(subjectOf(context, name));
    // A replica that lags behind does not know the newest streams; they may be left out.
    return message === undefined ? [] : [summary(name, message)];
  });
}

/** The last message of each subject, as far as they are known; in pages, since each can be large. */
async function lastMessages(
  { pool, log, limits }: StoreContext,
  subjects: Set<string>,
  call: CallContext,
): Promise<StoredMessage[]> {
  const found: StoredMessage[] = [];
  for (let more = true; more && subjects.size > 0;) {
    const lookup = { multi_last: [...subjects], batch: subjects.size, max_bytes: limits.fetchBytesMax };
    const batch = await directGetBatch(pool.read(), log, lookup, within(call, limits.requestTimeoutMs));
    for (const message of batch.messages.map(storedMessage)) {
      found.push(withoutBody(message));
      subjects.delete(message.subject);
    }
    more = batch.more && batch.messages.length > 0;
  }
  return found;
}

const noBytes = new Uint8Array(0);

function withoutBody(message: StoredMessage): StoredMessage {
  return { ...message, body: noBytes };
}

function summary(stream: StreamName, message: StoredMessage): StreamSummary {
  try {
    return { stream, ...toHead(readPart(stream, message)), unreadable: false };
  } catch (error) {
    if (!(error instanceof UnreadableCommitError)) throw error;
    return {
      stream,
      version: version(0n),
      position: position(message.sequence),
      commitTime: unixNanos(message.timeNanos),
      unreadable: true,
    };
  }
}
