import type { CallContext } from '../store/event-store';
import { RequestTimeoutError } from './errors';

/**
 * A question that many ask at the same time: everyone gets an answer that was asked for after they came, and only one is asked
 * for at a time. Nobody waits longer than their call does.
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

/** The answer, or RequestTimeoutError at the deadline of the call, or the reason of its signal. */
export function inTime<T>(answer: Promise<T>, call: CallContext): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      reject(new RequestTimeoutError('no answer within the deadline'));
    };
    const abort = (): void => {
      reject(call.signal.reason as Error);
    };
    const timer = setTimeout(giveUp, Math.min(call.deadlineMs - Date.now(), timerMsMax));
    const { signal } = call;
    signal.addEventListener('abort', abort);
    answer.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    });
  });
}
