import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { watchToken } from '../wire/token';

/** Where a call is. While it is repeated, `data` is that of the call before. */
export interface Called<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  /** Calls again. */
  readonly again: () => void;
}

/**
 * Calls when `key` or the token changes, and every `everyMs` if given. Undefined: there is nothing to call. `show` takes what is known
 * before the end.
 */
export function useCall<T>(
  make: ((signal: AbortSignal, show: (data: T) => void) => Promise<T>) | undefined,
  key: string,
  everyMs?: number,
): Called<T> {
  const [state, setState] = useState<{ data: T | undefined; error: unknown; busy: boolean; key: string }>({
    data: undefined,
    error: undefined,
    busy: make !== undefined,
    key,
  });
  const [round, setRound] = useState(0);
  const again = (): void => {
    setRound((before) => before + 1);
  };
  useEffect(() => watchToken(again), []);
  // At once, not after the page is painted: the answer is what somebody waits for.
  useLayoutEffect(() => {
    if (make === undefined) return;
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setState((before) => ({
      ...before,
      data: before.key === key ? before.data : undefined,
      busy: true,
      key,
    }));
    const show = (data: T): void => {
      if (!ended.signal.aborted) setState((before) => ({ ...before, data }));
    };
    make(ended.signal, show)
      .then(
        (data) => ({ data, error: undefined }),
        (error: unknown) => ({ data: undefined, error }),
      )
      .then(({ data, error }) => {
        if (ended.signal.aborted) return;
        setState((before) => ({
          data: data ?? (error !== undefined ? before.data : undefined),
          error,
          busy: false,
          key,
        }));
        if (everyMs !== undefined) timer = setTimeout(again, everyMs);
      })
      .catch(() => undefined);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [key, round, make === undefined]);
  const current = state.key === key;
  return {
    data: current ? state.data : undefined,
    error: current ? state.error : undefined,
    busy: current ? state.busy : true,
    again,
  };
}
