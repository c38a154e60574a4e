import { performance } from 'node:perf_hooks';
import type { CallContext } from '../../store/event-store';
import { RequestTimeoutError } from './errors';

/**
 * Coalesces requests: only one is under way at a time, and each caller gets the answer to a request that was sent after its
 * call. No call waits longer than its deadline.
 */
export function coalesced<T>(request: () => Promise<T>): (call: CallContext) => Promise<T> {
  let running: Promise<unknown> | undefined;
  let next: Promise<T> | undefined;

  function start(): Promise<T> {
    next = undefined;
    const answer = request();
    const ended = (): void => {
      if (running === settled && next === undefined) running = undefined;
    };
    const settled = answer.then(ended, ended);
    running = settled;
    return answer;
  }

  return (call) => {
    if (running === undefined) return byDeadline(start(), call);
    next ??= running.then(start);
    return byDeadline(next, call);
  };
}

/**
 * Caches an answer: all calls within `ageMaxMs` of a request get its answer, also while it is under way. Errors are not cached.
 * No call waits longer than its deadline.
 */
export function cached<T>(request: () => Promise<T>, ageMaxMs: number): (call: CallContext) => Promise<T> {
  let last: { readonly sentMs: number; readonly answer: Promise<T> } | undefined;

  function send(sentMs: number): Promise<T> {
    const sent = { sentMs, answer: request() };
    last = sent;
    sent.answer.catch(() => {
      if (last === sent) last = undefined;
    });
    return sent.answer;
  }

  return (call) => {
    const nowMs = performance.now();
    if (last === undefined || nowMs - last.sentMs >= ageMaxMs) return byDeadline(send(nowMs), call);
    return byDeadline(last.answer, call);
  };
}

/** The longest delay that a timer takes: about 24 days. */
const timerMsMax = 2 ** 31 - 1;

/** The answer, or RequestTimeoutError at the deadline of the call, or the reason of its signal. */
export function byDeadline<T>(answer: Promise<T>, { signal, deadlineMs }: CallContext): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    };
    const abort = (): void => {
      leave();
      reject(signal.reason as Error);
    };
    const giveUp = (): void => {
      leave();
      reject(new RequestTimeoutError('no answer within the deadline'));
    };
    const timer = setTimeout(giveUp, Math.min(deadlineMs - performance.now(), timerMsMax));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    answer.then(resolve, reject).finally(leave);
  });
}
