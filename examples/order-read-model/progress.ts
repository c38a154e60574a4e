import type { EventCursor, Subscription } from 'sluice-eventstore';

/** Tells on stderr how far a projection is. */
export interface Progress extends Disposable {
  begin(model: { readonly place: EventCursor | undefined }, subscription: Subscription): void;
  applied(events: number): void;
  live(): void;
  catchingUp(why: string): void;
}

/** While it catches up: one line that changes, on a terminal, otherwise a line each second. */
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
    begin({ place }, following) {
      subscription = following;
      say(place === undefined ? 'from the first event' : `after ${describePlace(place)}`);
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
      if (timer === undefined) say(`not live any more: ${why}`);
      trouble = ` (${why})`;
      start();
    },
    [Symbol.dispose]() {
      stop();
      say(`stopped: ${count(events)} events`);
    },
  };
}

export function describePlace({ position, stream, version }: EventCursor): string {
  return `position ${count(position)}, version ${count(version)} of ${stream}`;
}

export function count(value: number | bigint): string {
  return value.toLocaleString('en');
}
