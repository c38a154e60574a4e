import type { CallContext } from '../store/event-store';
import { RequestTimeoutError } from './errors';

/**
 * A question that many ask at the same time: everyone gets an answer that was asked for after they came, and only one is asked
 * for at a time. Nobody waits longer than the own deadline.
 */
export function shared<T>(ask: () => Promise<T>): (call: CallContext) => Promise<T> {
  let running: Promise<unknown> | undefined;
  let next: Promise<T> | undefined;

  function start(): Promise<T> {
    next = undefined;
    const answer = ask();
    const ended = (): void => {
      if (running === settled && next === undefined) running = undefined;
    };
    const settled = answer.then(ended, ended);
    running = settled;
    return answer;
  }

  return (call) => {
    if (running === undefined) return inTime(start(), call);
    next ??= running.then(start);
    return inTime(next, call);
  };
}

/** More milliseconds than a timer takes: some 24 days. */
const timerMsMax = 2 ** 31 - 1;

/** The answer, or RequestTimeoutError at the deadline of the call. */
export function inTime<T>(answer: Promise<T>, { deadlineMs }: CallContext): Promise<T> {
  if (deadlineMs === Infinity) return answer;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      reject(new RequestTimeoutError('no answer within the deadline'));
    };
    const timer = setTimeout(giveUp, Math.min(deadlineMs - Date.now(), timerMsMax));
    answer.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}
