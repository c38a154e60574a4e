import type { LogEntry, LogSlice } from '../../store/log';
import type { Sequence } from '../../store/values';
import type { DurableLog } from './follow-log';
import { positionOf, readLog } from './read-log';

/** The least that is read of the log at a time: every read creates a consumer, which sends more than a small part anyway. */
const chunkBytes = 2 << 20;
/** Enough for readers that continue side by side. */
const chunksMax = 8;
const rememberedMs = 10_000;

type Read = (after: Sequence, upTo: Sequence, bytesMax: number) => Promise<LogSlice>;

interface Chunk extends LogSlice {
  readonly after: Sequence;
}

/** Reads the log in chunks that are larger than what a reader asks for, and remembers the newest of them for a while. */
export function createChunks(log: DurableLog): Read {
  const { health } = log.access;
  let remembered: readonly Chunk[] = [];
  let timer: NodeJS.Timeout | undefined;
  const forget = (): void => {
    remembered = [];
  };
  // The log may have gone back and give positions again, to other commits.
  health.onDoubt(forget);

  function remember(chunk: Chunk): void {
    remembered = [...remembered.filter((one) => one !== chunk), chunk].slice(-chunksMax);
    clearTimeout(timer);
    timer = setTimeout(forget, rememberedMs).unref();
  }

  return async (after, upTo, bytesMax) => {
    const found = remembered.find((one) => one.after <= after && after < one.upTo);
    if (found !== undefined) {
      remember(found);
      return cut(found, after, upTo, bytesMax);
    }
    const { doubts } = health;
    const read = await readLog(log, after, upTo, Math.max(bytesMax, chunkBytes));
    const chunk = { ...read, after };
    if (doubts === health.doubts) remember(chunk);
    return cut(chunk, after, upTo, bytesMax);
  };
}

/** The part of a chunk after one sequence and up to another, about `bytesMax` of it. */
function cut(chunk: LogSlice, after: Sequence, upTo: Sequence, bytesMax: number): LogSlice {
  const groups: (readonly LogEntry[])[] = [];
  let [bytes, last]: [number, Sequence] = [0, after];
  for (const group of chunk.groups) {
    const position = positionOf(group);
    if (position <= after) continue;
    if (position > upTo) break;
    if (bytes >= bytesMax) return { groups, upTo: last };
    groups.push(group);
    last = position;
    for (const entry of group) bytes += 'record' in entry ? entry.record.length : 0;
  }
  return { groups, upTo: chunk.upTo < upTo ? chunk.upTo : upTo };
}
