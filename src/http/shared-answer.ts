import type { Answer } from './answer';

/**
 * Makes an answer that is expensive: one at a time, and all that ask within `ageMaxMs` of its beginning get the same one. An error is
 * not kept.
 */
export function sharedAnswer(make: () => Promise<Answer>, ageMaxMs: number): () => Promise<Answer> {
  let last: { readonly begunMs: number; readonly answer: Promise<Answer> } | undefined;
  let isMaking = false;
  return () => {
    const nowMs = performance.now();
    if (last !== undefined && (isMaking || nowMs - last.begunMs < ageMaxMs)) return last.answer;
    isMaking = true;
    const made = { begunMs: nowMs, answer: make().finally(() => (isMaking = false)) };
    last = made;
    made.answer.catch(() => {
      if (last === made) last = undefined;
    });
    return made.answer;
  };
}
