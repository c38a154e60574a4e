import { performance } from 'node:perf_hooks';
import type { CallContext } from '../../store/event-store';
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
    if (running === undefined) return byDeadline(start(), call);
    next ??= running.then(start);
    return byDeadline(next, call);
  };
}

/**
 * A question whose answer is told to everyone who comes within `ageMaxMs` of when it was asked, also while it is on its way.
 * An error is told to those who wait for it only. Nobody waits longer than their call does.
 */
export function kept<T>(ask: () => Promise<T>, ageMaxMs: number): (call: CallContext) => Promise<T> {
  let last: { readonly askedAt: number; readonly answer: Promise<T> } | undefined;

  function askAgain(askedAt: number): Promise<T> {
    const asked = { askedAt, answer: ask() };
    last = asked;
    asked.answer.catch(() => {
      if (last === asked) last = undefined;
    });
    return asked.answer;
  }

  return (call) => {
    const now = performance.now();
    if (last === undefined || now - last.askedAt >= ageMaxMs) return byDeadline(askAgain(now), call);
    return byDeadline(last.answer, call);
  };
}

/** More milliseconds than a timer takes: some 24 days. */
const timerMsMax = 2 ** 31 - 1;

/** The answer, or RequestTimeoutError at the deadline of the call, or the reason of its signal. */
export function byDeadline<T>(answer: Promise<T>, call: CallContext): Promise<T> {
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
    if (signal.aborted) abort();
    answer.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    });
  });
}
