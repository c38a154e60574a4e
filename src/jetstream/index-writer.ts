import { setTimeout as sleep } from 'node:timers/promises';
import type { CallContext } from '../store/event-store';
import { callApi } from './api';
import { headerRoomBytes } from './commit-codec';
import { logHead } from './head';
import type { FreshRecord } from './index-cache';
import {
  decodeIndexRecord,
  distribute,
  divide,
  encodeIndexRecord,
  entryBytes,
  EntryList,
} from './index-record';
import { lastIndexMessage } from './index-stream';
import { keysInLog, type KeyIndex } from './key-index';
import { publishAtomically, type Outcome } from './publish';
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
  const { cache } = index;
  let tailSinceMs = 0;

  async function round(): Promise<void> {
    await cache.refresh(call);
    index.recent.forget(cache.covered);
    const { sequence: through } = await logHead(index, call);
    if (through === cache.covered) {
      tailSinceMs = 0;
      return;
    }
    if (tailSinceMs === 0) tailSinceMs = Date.now();
    const isShort = through - cache.covered < tailMessagesMin;
    if (isShort && Date.now() - tailSinceMs < tailAgeMaxMs) return;
    await writeFresh(index, through, call);
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
      return cache.covered;
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** Covers the log through a position, or as far as no other gateway has been faster. */
async function writeFresh(index: KeyIndex, through: bigint, call: CallContext): Promise<void> {
  const { cache, subjects } = index;
  const entriesMax = recordEntries(index);
  let entries = new EntryList();
  const flush = async (end: bigint): Promise<boolean> => {
    const { hashes, positions } = entries;
    const record = { hashes, positions, after: cache.covered, through: end };
    const body = encodeIndexRecord(record);
    const outcome = await publish(index, [{ subject: subjects.fresh, body, previous: cache.lastSequence }]);
    if (outcome.kind !== 'stored') return false;
    cache.add({ ...record, sequence: outcome.sequence });
    entries = new EntryList();
    return true;
  };
  let seen = cache.covered;
  for await (const commits of keysInLog(index, seen, through, call)) {
    for (const { sequence, position, hashes } of commits) {
      for (const hash of hashes) {
        // What a record holds of a commit that it does not cover is repeated in no other, and does no harm in it.
        if (entries.length >= entriesMax && !(await flush(seen))) return;
        entries.add(hash, position);
      }
      seen = sequence;
    }
  }
  await flush(through);
}

/** Moves the older fresh records into buckets, all in one step. The last one stays: it tells how far the index is. */
async function mergeFresh(index: KeyIndex, call: CallContext): Promise<void> {
  const { subjects, cache } = index;
  if (toMerge(cache.unmerged) === undefined) return;
  const marker = await lastIndexMessage(index, subjects.merged, call);
  const after = marker === undefined ? 0n : decodeIndexRecord(marker.body).through;
  // By another gateway, which may not have come to remove them.
  cache.drop(after);
  const records = toMerge(cache.unmerged);
  if (records === undefined) return;
  const buckets = new Map<number, EntryList>();
  for (const record of records)
    distribute(record, (bucket) => {
      let list = buckets.get(bucket);
      if (list === undefined) buckets.set(bucket, (list = new EntryList()));
      return list;
    });
  const through = records.at(-1)?.sequence ?? after;
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
  if (outcome.kind !== 'stored') return;
  await purgeFresh(index, through, call);
  cache.drop(through);
}

/** The records to merge, or undefined as long as they are too few. */
function toMerge(unmerged: readonly FreshRecord[]): readonly FreshRecord[] | undefined {
  const older = unmerged.slice(0, -1);
  let entries = 0;
  const isOver = older.findIndex(({ hashes }) => (entries += hashes.length / entryBytes) >= mergeEntriesMax);
  if (isOver >= 0) return older.slice(0, isOver + 1);
  return older.length >= mergeRecordsMin ? older : undefined;
}

const noBytes = Buffer.alloc(0);

/** Entries of one record: no more than the server takes in one message. */
function recordEntries({ pool }: KeyIndex): number {
  const fitting = Math.floor((pool.append().maxPayloadBytes - headerRoomBytes) / (2 * entryBytes));
  return Math.max(1, Math.min(recordEntriesMax, fitting));
}

/** Removes them, and older ones that somebody merged without having come to this. */
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
