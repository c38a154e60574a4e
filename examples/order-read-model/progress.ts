import type { Cursor, Subscription } from 'sluice-eventstore';

/** Reports the progress of a projection on stderr. */
export interface Progress extends Disposable {
  begin(model: { readonly cursor: Cursor | undefined }, subscription: Subscription): void;
  applied(events: number): void;
  live(): void;
  catchingUp(why: string): void;
}

/** While the projection catches up: on a terminal one line that changes, elsewhere a line each second. */
export function showProgress(output: NodeJS.WriteStream = process.stderr): Progress {
  let events = 0;
  let subscription: Subscription | undefined;
  let timer: NodeJS.Timeout | undefined;
  let trouble = '';

  const say = (line: string): void => {
    output.write(output.isTTY ? `\r\x1b[K${line}\n` : `${line}\n`);
  };
  const show = (): void => {
    const { position, lag } = subscription ?? {};
    const behind = lag === undefined ? '' : `, ${count(lag)} positions behind`;
    const line = `catching up: ${count(events)} events, at position ${count(position ?? 0n)}${behind}${trouble}`;
    if (output.isTTY) output.write(`\r\x1b[K${line}`);
    else say(line);
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const start = (): void => {
    timer ??= setInterval(show, output.isTTY ? 100 : 1_000);
  };

  return {
    begin({ cursor }, following) {
      subscription = following;
      say(cursor === undefined ? 'from the first event' : `after cursor ${cursor}`);
      start();
    },
    applied(more) {
      events += more;
      if (more > 0) trouble = '';
    },
    live() {
      stop();
      trouble = '';
      say(`live: ${count(events)} events, up to position ${count(subscription?.position ?? 0n)}`);
    },
    catchingUp(why) {
      if (timer === undefined) say(`no longer live: ${why}`);
      trouble = ` (${why})`;
      start();
    },
    [Symbol.dispose]() {
      stop();
      say(`stopped: ${count(events)} events`);
    },
  };
}

export function count(value: number | bigint): string {
  return value.toLocaleString('en');
}
