import { setTimeout as sleep } from 'node:timers/promises';
import type { CallContext } from '../store/event-store';
import { leaderGet } from './direct-get';
import { logHead } from './head';
import { BrokenIndexError } from './index-chain';
import { divideBucket, indexSizes, mergeFresh, publish, recordEntries } from './index-merge';
import { bucketCount, encodeIndexRecord, EntryList } from './index-record';
import { keysInLog, type KeyIndex } from './key-index';
import type { LogMark } from './log-mark';
import type { Stretch } from './recent-keys';
import { everything, within } from './store-context';

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
/** After each merge: at this rate every bucket has its turn before it has grown by as much as makes it large. */
const bucketsPerMerge = 8;

/**
 * Starts writing. Any number of gateways may: each record says which stretch of the log it covers, and goes on top of
 * the record before, or not at all. `open` makes the index anew if somebody has dropped it.
 */
export function startIndexWriter(index: KeyIndex, open: () => Promise<unknown>): IndexWriter {
  const stop = new AbortController();
  const call = { signal: stop.signal, deadlineMs: Infinity };
  const { cache } = index;
  let tailSinceMs = 0;
  let nextBucket = Math.floor(Math.random() * bucketCount);

  async function merge(): Promise<void> {
    while (await mergeFresh(index, indexSizes, call))
      for (let count = 0; count < bucketsPerMerge; count++) {
        await divideBucket(index, nextBucket, indexSizes, call);
        nextBucket = (nextBucket + 1) % bucketCount;
      }
  }

  async function round(): Promise<void> {
    const { doubts } = index.health;
    await cache.refresh(call);
    index.recent.forget(cache.covered);
    await merge();
    const head = await logHead(index, call);
    const { sequence: through } = head;
    if (doubts !== index.health.doubts) return; // what was read of the index is forgotten
    if (through <= cache.covered) {
      tailSinceMs = 0;
      return;
    }
    if (tailSinceMs === 0) tailSinceMs = Date.now();
    const isShort = through - cache.covered < tailMessagesMin;
    if (isShort && Date.now() - tailSinceMs < tailAgeMaxMs) return;
    await writeFresh(index, head, merge, call);
    tailSinceMs = 0;
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
        if (err instanceof BrokenIndexError) await cache.rebuild(err).catch(() => undefined);
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

/** Covers the log through what was just seen to be its end, or as far as no other gateway has been faster. */
async function writeFresh(
  index: KeyIndex,
  logEnd: LogMark,
  merge: () => Promise<void>,
  call: CallContext,
): Promise<void> {
  const { cache, subjects, health } = index;
  const { sequence: through } = logEnd;
  const { doubts } = health;
  const entriesMax = recordEntries(index);
  let entries = new EntryList();
  let covered = cache.covered;
  const flush = async (end: bigint): Promise<boolean> => {
    // What was read of the index may have been dropped meanwhile, and read again.
    if (cache.covered !== covered || health.doubts !== doubts) return false;
    const { hashes, positions } = entries;
    const record = { hashes, positions, after: covered, through: end, logEnd };
    const body = encodeIndexRecord(record);
    const outcome = await publish(index, [{ subject: subjects.fresh, body, previous: cache.lastSequence }]);
    if (outcome.kind !== 'stored') {
      cache.doubt();
      return false;
    }
    cache.add({ ...record, sequence: outcome.sequence });
    entries = new EntryList();
    covered = end;
    await merge();
    return true;
  };
  let seen = covered;
  for await (const commits of keysInLog(index, seen, through, call)) {
    for (const { sequence, position, hashes } of commits) {
      if (sequence !== seen + 1n) await checkHole(index, { from: seen + 1n, to: sequence - 1n }, call);
      for (const hash of hashes) {
        // What a record holds of a commit that it does not cover is repeated in no other, and does no harm in it.
        if (entries.length >= entriesMax && !(await flush(seen))) return;
        entries.add(hash, position);
      }
      seen = sequence;
    }
  }
  if (seen < through) await checkHole(index, { from: seen + 1n, to: through }, call);
  await flush(through);
}

/** A record must not say that it covers what it was not given: throws unless the log itself has nothing there. */
async function checkHole(index: KeyIndex, { from, to }: Stretch, call: CallContext): Promise<void> {
  const lookup = { seq: Number(from), next_by_subj: everything };
  const options = within(call, index.limits.requestTimeoutMs);
  const next = await leaderGet(index.pool.read(), index.log, lookup, options);
  if (next === undefined || next.sequence > to) return;
  throw new Error(`the keys of the message at ${next.sequence.toString()} were not given to the index`);
}
