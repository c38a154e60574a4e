import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How much the heap may grow between two collections. */
const allowanceBytes = 20 << 20;
const percentMin = 20;
const percentMax = 150;
const intervalMs = 500;
/** How much buffers may grow between two collections. */
const buffersAllowanceBytes = 64 << 20;
const buffersIntervalMs = 100;
/** The shortest interval of full collections; minor ones take a few milliseconds. */
const fullIntervalMs = 10_000;

/**
 * Lets the heap grow by about the same number of bytes between collections, whatever its size. By default V8 lets it grow to
 * several times its size, most of it garbage, which makes a large process half as large again. A low growth percentage alone would
 * make small heaps collect all the time: bulk reads, whose buffers count, then lose a third of their rate.
 */
export function boundHeapGrowth(): void {
  let before = 0;
  const adjust = (): void => {
    const ideal = Math.round((100 * allowanceBytes) / getHeapStatistics().used_heap_size);
    const percent = Math.max(percentMin, Math.min(percentMax, ideal));
    if (percent === before) return;
    before = percent;
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  adjust();
  setInterval(adjust, intervalMs).unref();
}

type Collect = (options: { readonly type: 'minor' | 'major' }) => void;

/**
 * Collects unreachable buffers. V8 counts the bytes in its heap, where a buffer takes only a few: large buffers that come and go,
 * such as messages of clients, would stay for hours.
 */
export function boundBuffers(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  let heldBytes = 0;
  let fullAtMs = 0;
  const tooMany = (): boolean => {
    const bytes = bufferBytes();
    heldBytes = Math.min(heldBytes, bytes);
    return bytes - heldBytes > buffersAllowanceBytes;
  };
  setInterval(() => {
    if (!tooMany()) return;
    collect({ type: 'minor' });
    if (tooMany() && performance.now() - fullAtMs >= fullIntervalMs) {
      collect({ type: 'major' });
      fullAtMs = performance.now();
      heldBytes = bufferBytes();
    }
  }, buffersIntervalMs).unref();
}

/** Not from `process.memoryUsage`, which opens a file and fails when no descriptors are left. */
function bufferBytes(): number {
  return getHeapStatistics().external_memory;
}
