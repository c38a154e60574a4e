import { setTimeout as sleep } from 'node:timers/promises';
import type { CallContext } from '../store/event-store';
import { callApi } from './api';
import { headerRoomBytes } from './commit-codec';
import { indexMessages, keysInLog, lastIndexMessage, type KeyIndex } from './key-index';
import type { StoredMessage } from './message';
import { logHead } from './head';
import { publishAtomically, type Outcome } from './publish';
import {
  decodeIndexRecord,
  distribute,
  divide,
  encodeIndexRecord,
  entryBytes,
  EntryList,
} from './index-record';
import { within } from './store-context';

/** Keeps the index behind the log by no more than a short tail. */
export interface IndexWriter {
  /** The position up to which the index covered the log when it was last looked at. */
  readonly position: bigint;
  close(): Promise<void>;
}

const intervalMs = 1_000;
/** A shorter tail than this is left to the queries, until it is old. */
const tailMessagesMin = 64n;
const tailAgeMaxMs = 30_000;
const recordEntriesMax = 16_384;
const mergeRecordsMin = 64;
const mergeEntriesMax = 32_768;

/**
 * Starts writing. Any number of gateways may: each record says which stretch of the log it covers, and goes on top of
 * the record before, or not at all. `open` makes the index anew if somebody has dropped it.
 */
export function startIndexWriter(index: KeyIndex, open: () => Promise<unknown>): IndexWriter {
  const stop = new AbortController();
  const call = { signal: stop.signal, deadlineMs: Infinity };
  let position = 0n;
  let tailSinceMs = 0;

  async function round(): Promise<void> {
    const last = await lastIndexMessage(index, index.subjects.fresh, call);
    position = last === undefined ? 0n : decodeIndexRecord(last.body).through;
    index.recent.forget(position);
    const { sequence: through } = await logHead(index, call);
    if (through === position) {
      tailSinceMs = 0;
      return;
    }
    if (tailSinceMs === 0) tailSinceMs = Date.now();
    if (through - position < tailMessagesMin && Date.now() - tailSinceMs < tailAgeMaxMs) return;
    position = await writeFresh(index, position, through, last?.sequence ?? 0n, call);
    tailSinceMs = 0;
    await mergeFresh(index, call);
  }

  const isStopped = (): boolean => stop.signal.aborted;

  async function run(): Promise<void> {
    let failing = false;
    while (!isStopped()) {
      try {
        if (failing) await open();
        await round();
        if (failing) index.logger.info('the index is written again');
        failing = false;
      } catch (err) {
        if (!failing && !isStopped()) {
          index.logger.warn({ err }, 'the index cannot be written; it stays behind');
        }
        failing = true;
      }
      await sleep(intervalMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    get position() {
      return position;
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** Covers the log after one position through another; answers how far it came. */
async function writeFresh(
  index: KeyIndex,
  after: bigint,
  through: bigint,
  lastSequence: bigint,
  call: CallContext,
): Promise<bigint> {
  const entriesMax = recordEntries(index);
  let entries = new EntryList();
  let covered = after;
  let previous = lastSequence;
  const flush = async (end: bigint): Promise<boolean> => {
    const { hashes, positions } = entries;
    const body = encodeIndexRecord({ hashes, positions, after: covered, through: end });
    const outcome = await publish(index, [{ subject: index.subjects.fresh, body, previous }]);
    if (outcome.kind !== 'stored') return false;
    previous = outcome.sequence;
    covered = end;
    entries = new EntryList();
    return true;
  };
  let seen = after;
  for await (const commits of keysInLog(index, after, through, call)) {
    for (const { sequence, position, hashes } of commits) {
      for (const hash of hashes) {
        // What a record holds of a commit that it does not cover is repeated in no other, and does no harm in it.
        if (entries.length >= entriesMax && !(await flush(seen))) return covered;
        entries.add(hash, position);
      }
      seen = sequence;
    }
  }
  await flush(through);
  return covered;
}

/** Moves the older fresh records into buckets, all in one step. The last one stays: it tells how far the index is. */
async function mergeFresh(index: KeyIndex, call: CallContext): Promise<void> {
  const { subjects } = index;
  const marker = await lastIndexMessage(index, subjects.merged, call);
  const after = marker === undefined ? 0n : decodeIndexRecord(marker.body).through;
  const buckets = new Map<number, EntryList>();
  let leftOver = false;
  let records = 0;
  let entries = 0;
  let through = after;
  let previous: StoredMessage | undefined;
  for await (const message of indexMessages(index, subjects.fresh, call)) {
    leftOver ||= message.sequence <= after;
    if (message.sequence <= after || entries >= mergeEntriesMax) continue;
    if (previous !== undefined) {
      const record = decodeIndexRecord(previous.body);
      distribute(record, buckets);
      entries += record.hashes.length / entryBytes;
      records++;
      through = previous.sequence;
    }
    previous = message;
  }
  // What an earlier merge moved, but did not come to remove, goes first.
  if (leftOver) await purgeFresh(index, after, call);
  if (records < mergeRecordsMin && entries < mergeEntriesMax) return;
  const range = { after, through };
  const mark = encodeIndexRecord({ hashes: noBytes, positions: noBytes, ...range });
  const merged = [...buckets].flatMap(([bucket, list]) =>
    Array.from(divide(list, recordEntries(index)), (some) => ({
      subject: subjects.bucket(bucket),
      body: encodeIndexRecord({ ...some, ...range }),
    })),
  );
  const first = { subject: subjects.merged, body: mark, previous: marker?.sequence ?? 0n };
  const outcome = await publish(index, [first, ...merged]);
  if (outcome.kind === 'stored') await purgeFresh(index, through, call);
}

const noBytes = Buffer.alloc(0);

/** Entries of one record: no more than the server takes in one message. */
function recordEntries({ pool }: KeyIndex): number {
  const fitting = Math.floor((pool.append().maxPayloadBytes - headerRoomBytes) / (2 * entryBytes));
  return Math.max(1, Math.min(recordEntriesMax, fitting));
}

async function purgeFresh(index: KeyIndex, through: bigint, call: CallContext): Promise<void> {
  const request = { filter: index.subjects.fresh, seq: Number(through) + 1 };
  const options = within(call, index.limits.requestTimeoutMs);
  await callApi(index.pool.append(), `STREAM.PURGE.${index.index.name}`, request, options);
}

interface IndexMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  /** The message that must be the last on the subject. */
  readonly previous?: bigint;
}

function publish(index: KeyIndex, messages: readonly IndexMessage[]): Promise<Outcome> {
  const outgoing = messages.map(({ subject, body, previous }) => ({
    subject,
    body,
    headers: previous === undefined ? {} : { 'Nats-Expected-Last-Subject-Sequence': previous.toString() },
  }));
  return publishAtomically(index.pool.append(), outgoing, { timeoutMs: index.limits.requestTimeoutMs });
}
