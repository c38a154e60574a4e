import type { Sink } from './output';

/** How far something is, on a terminal; nothing is drawn elsewhere. */
export interface Progress {
  /** `done` of `total`, and in words. Cheap enough for each step: it is drawn ten times a second at most. */
  show(done: number, total: number, words: string): void;
  /** Takes it off the terminal. */
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
