import type { Sink } from './output';

/** A progress bar on a terminal; elsewhere nothing is drawn. */
export interface Progress {
  /** `done` of `total`, with a text. Cheap enough to call for each commit: it draws at most ten times a second. */
  show(done: number, total: number, words: string): void;
  /** Removes the bar from the terminal. */
  clear(): void;
}

const intervalMs = 100;
const barWidth = 24;
const eraseLine = '\r\u001b[K';

export function createProgress(sink: Sink, now: () => number = Date.now): Progress {
  let drawnMs = -Infinity;
  let isDrawn = false;
  return {
    show(done, total, words) {
      const nowMs = now();
      if (sink.isTTY !== true || nowMs - drawnMs < intervalMs) return;
      drawnMs = nowMs;
      isDrawn = true;
      sink.write(eraseLine + bar(done, total, words).slice(0, (sink.columns ?? 80) - 1));
    },
    clear() {
      if (isDrawn) sink.write(eraseLine);
      isDrawn = false;
      drawnMs = -Infinity;
    },
  };
}

function bar(done: number, total: number, words: string): string {
  const share = total <= 0 ? 1 : Math.min(1, done / total);
  const filled = Math.floor(share * barWidth);
  const percent = Math.floor(share * 100)
    .toString()
    .padStart(3);
  return `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${percent} %  ${words}`;
}
