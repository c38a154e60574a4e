import type { LogEntry, LogSlice } from '../../store/log';
import type { DurableLog } from './follow-log';
import { positionOf, readLog } from './read-log';

/** What is read of the log at a time, whatever is asked for: a consumer is made for it, which sends more than that. */
const stretchBytes = 2 << 20;
/** Readers that go on side by side find their stretches again. */
const stretchesMax = 8;
const keptMs = 10_000;

type Read = (after: bigint, through: bigint, bytesMax: number) => Promise<LogSlice>;

interface Kept extends LogSlice {
  readonly after: bigint;
}

/** Reads the log in stretches that are larger than what is asked for, and keeps the newest of them for a while. */
export function createStretches(log: DurableLog): Read {
  const { health } = log.access;
  let kept: readonly Kept[] = [];
  let timer: NodeJS.Timeout | undefined;
  const forget = (): void => {
    kept = [];
  };
  // Positions may be given a second time.
  health.onDoubt(forget);

  function keep(stretch: Kept): void {
    kept = [...kept.filter((one) => one !== stretch), stretch].slice(-stretchesMax);
    clearTimeout(timer);
    timer = setTimeout(forget, keptMs).unref();
  }

  return async (after, through, bytesMax) => {
    const found = kept.find((one) => one.after <= after && after < one.upTo);
    if (found !== undefined) {
      keep(found);
      return cut(found, after, through, bytesMax);
    }
    const { doubts } = health;
    const read = await readLog(log, after, through, Math.max(bytesMax, stretchBytes));
    const stretch = { ...read, after };
    if (doubts === health.doubts) keep(stretch);
    return cut(stretch, after, through, bytesMax);
  };
}

/** The part of a stretch after a sequence, about so many bytes of it, and no further than to another sequence. */
function cut(stretch: LogSlice, after: bigint, through: bigint, bytesMax: number): LogSlice {
  const groups: (readonly LogEntry[])[] = [];
  let [bytes, last] = [0, after];
  for (const group of stretch.groups) {
    const position = positionOf(group);
    if (position <= after) continue;
    if (position > through) break;
    if (bytes >= bytesMax) return { groups, upTo: last };
    groups.push(group);
    last = position;
    for (const entry of group) bytes += 'record' in entry ? entry.record.length : 0;
  }
  return { groups, upTo: stretch.upTo < through ? stretch.upTo : through };
}
