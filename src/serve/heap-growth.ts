import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What the heap may grow by between two collections. */
const allowanceBytes = 20 << 20;
const percentMin = 20;
const percentMax = 150;
const intervalMs = 500;
/** What buffers may grow by between two collections. */
const buffersAllowanceBytes = 64 << 20;
const buffersIntervalMs = 100;
/** Not for a small one, which is done in a few milliseconds. */
const fullIntervalMs = 10_000;

/**
 * Lets the heap grow by about the same number of bytes between collections, whatever its size. By itself it may grow to
 * several times its size, most of it garbage, which makes a large process half as large again. A low percentage, which V8
 * can be told, makes small heaps collect all the time: bulk reads, whose buffers count, then lose a third of their rate.
 */
export function boundHeapGrowth(): void {
  let before = 0;
  const adjust = (): void => {
    const wanted = Math.round((100 * allowanceBytes) / getHeapStatistics().used_heap_size);
    const percent = Math.max(percentMin, Math.min(percentMax, wanted));
    if (percent === before) return;
    before = percent;
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  adjust();
  setInterval(adjust, intervalMs).unref();
}

type Collect = (options: { readonly type: 'minor' | 'major' }) => void;

/**
 * Collects the buffers that nobody holds any more. V8 counts what is in its heap, where a buffer is a few bytes: large ones
 * that come and go, as messages of clients do, would stay for hours.
 */
export function boundBuffers(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  let kept = 0;
  let fullAtMs = 0;
  const tooMany = (): boolean => {
    const bytes = bufferBytes();
    kept = Math.min(kept, bytes);
    return bytes - kept > buffersAllowanceBytes;
  };
  setInterval(() => {
    if (!tooMany()) return;
    collect({ type: 'minor' });
    if (tooMany() && performance.now() - fullAtMs >= fullIntervalMs) {
      collect({ type: 'major' });
      fullAtMs = performance.now();
      kept = bufferBytes();
    }
  }, buffersIntervalMs).unref();
}

/** `process.memoryUsage` opens a file for it, and fails when there are no descriptors left. */
function bufferBytes(): number {
  return getHeapStatistics().external_memory;
}
