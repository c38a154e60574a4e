import { createProgress } from '../cli/progress';
import { writeLines, type Sink } from '../cli/output';

/** Shows how far a command is: a bar on a terminal, elsewhere a line every ten seconds. */
export interface Report {
  /** `done` of `total` of one part of the work, which is named. */
  readonly progress: (what: string, done: number, total: number) => void;
  /** Removes the bar. */
  clear(): void;
}

const lineIntervalMs = 10_000;

export function createReport(sink: Sink, now: () => number = () => performance.now()): Report {
  const bar = createProgress(sink);
  let part = { what: '', beganMs: 0 };
  let writtenMs = now();
  return {
    progress(what, done, total) {
      const nowMs = now();
      if (part.what !== what) part = { what, beganMs: nowMs };
      if (sink.isTTY === true) {
        bar.show(done, total, `${what}, ${left(done, total, nowMs - part.beganMs)}`);
      } else if (nowMs - writtenMs >= lineIntervalMs) {
        writtenMs = nowMs;
        const percent = Math.floor((100 * done) / Math.max(1, total));
        writeLines(
          sink,
          `${what}: ${Math.min(100, percent).toString()} %, ${left(done, total, nowMs - part.beganMs)}`,
        );
      }
    },
    clear() {
      bar.clear();
    },
  };
}

/** The time that this part of the work still takes at the speed that it has had. */
function left(done: number, total: number, tookMs: number): string {
  if (done <= 0 || tookMs < 1_000) return 'time left unknown';
  const seconds = Math.ceil((Math.max(0, total - done) * tookMs) / done / 1_000);
  return seconds < 120 ? `${seconds.toString()} s left` : `${Math.ceil(seconds / 60).toString()} min left`;
}
