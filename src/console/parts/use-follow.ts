import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Follower, type Followed, type Following } from '../reads/follow';
import type { RecordedEvent } from '../wire/messages';

/** How many of the newest events are shown; the rest is in the store. */
export const followedEventsMax = 100;
/** Rows are made this often, not for each message: so a page keeps up with many events. */
const showIntervalMs = 200;

export interface Follow {
  /** The newest first. */
  readonly events: readonly RecordedEvent[];
  /** The number of all events that came. */
  readonly count: number;
  /** Events a second, over the last seconds. */
  readonly rate: number;
  readonly following: Following | undefined;
}

interface Options {
  /** What to follow; undefined: nothing. `key` says when it is another one. */
  readonly followed: Followed | undefined;
  readonly key: string;
  readonly afterVersion?: string | undefined;
  /** While true nothing comes; afterwards everything that has been stored meanwhile does. */
  readonly paused: boolean;
}

const empty: Follow = { events: [], count: 0, rate: 0, following: undefined };

export function useFollow({ followed, key, afterVersion, paused }: Options): Follow {
  const [shown, setShown] = useState<Follow>(empty);
  const collected = useRef(new Collected());
  const follower = useMemo(() => {
    const into = new Collected();
    collected.current = into;
    setShown(empty);
    return followed === undefined ? undefined : new Follower(followed, afterVersion, into);
  }, [key]);
  useEffect(() => {
    if (follower === undefined || paused) return;
    const ended = new AbortController();
    const into = collected.current;
    const show = (): void => {
      setShown(into.take());
    };
    const timer = setInterval(show, showIntervalMs);
    void follower.run(ended.signal);
    return () => {
      ended.abort();
      clearInterval(timer);
      show();
    };
  }, [follower, paused]);
  return shown;
}

/** Events as they come, until they are shown. */
class Collected {
  private newest: RecordedEvent[] = [];
  private count = 0;
  private following: Following | undefined;
  private readonly marks: { readonly atMs: number; readonly count: number }[] = [];
  private last: Follow = empty;

  events(events: readonly RecordedEvent[]): void {
    this.count += events.length;
    this.newest.push(...events);
    if (this.newest.length > 2 * followedEventsMax) this.newest = this.newest.slice(-followedEventsMax);
  }

  state(state: Following): void {
    this.following = state;
  }

  take(): Follow {
    const atMs = performance.now();
    this.marks.push({ atMs, count: this.count });
    if (this.marks.length > 16) this.marks.shift();
    const [first] = this.marks;
    const seconds = first === undefined ? 0 : (atMs - first.atMs) / 1_000;
    const rate = first === undefined || seconds < 0.2 ? 0 : (this.count - first.count) / seconds;
    const isNew = this.last.count !== this.count;
    const events = isNew ? this.newest.slice(-followedEventsMax).reverse() : this.last.events;
    const { count, following } = this;
    if (!isNew && this.last.rate === rate && this.last.following === following) return this.last;
    this.last = { events, count, rate, following };
    return this.last;
  }
}
