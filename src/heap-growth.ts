import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** What the heap may grow by between two collections. */
const allowanceBytes = 20 << 20;
const percentMin = 20;
const percentMax = 150;
const intervalMs = 500;

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
