import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random';

/** A server or a gateway that can be struck. It can be started again with the same address and data. */
export interface Target {
  readonly name: string;
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** What happens to one target, and for how long. */
export interface Blow {
  readonly verb: 'pause' | 'kill';
  /** Number of the target. */
  readonly target: number;
  readonly forMs: number;
}

/** Blows that fall together after a pause. */
export interface Strike {
  readonly afterMs: number;
  readonly blows: readonly Blow[];
}

const peaceMs = 2_000;
/** Longer than an attempt waits for an answer or for a leader. */
const longMs = 5_000;
/** Only one target of each kind is struck at a time: two of three servers must run. */
const bothShare = 0.25;

/** An endless schedule that depends only on the numbers. Each strike hits a server, a gateway, or one of each. */
export function* strikes(random: Random, servers: number, gateways: number): Generator<Strike, never> {
  const blow = (first: number, count: number): Blow => {
    const verb = random() < 0.5 ? 'pause' : 'kill';
    // Most are short, since faults happen at their edges.
    return { verb, target: first + Math.floor(random() * count), forMs: Math.floor(random() ** 3 * longMs) };
  };
  for (;;) {
    const afterMs = Math.floor(random() * peaceMs);
    const which = random();
    const blows = [
      ...(which < 0.6 ? [blow(0, servers)] : []),
      ...(which >= 0.6 - bothShare ? [blow(servers, gateways)] : []),
    ];
    yield { afterMs, blows };
  }
}

/** Strikes, and heals. */
export async function strike(targets: readonly Target[], { afterMs, blows }: Strike): Promise<void> {
  await sleep(afterMs);
  await Promise.all(
    blows.map(async ({ verb, target, forMs }) => {
      const one = targets[target] as Target;
      if (verb === 'pause') one.pause();
      else await one.kill();
      await sleep(forMs);
      if (verb === 'pause') one.resume();
      else await one.start();
    }),
  );
}

/** In words, for a report. */
export function describe(targets: readonly Target[], { afterMs, blows }: Strike): string {
  const each = blows.map(
    ({ verb, target, forMs }) => `${verb} ${targets[target]?.name ?? '?'} for ${forMs} ms`,
  );
  return `after ${afterMs} ms: ${each.join(', ')}`;
}
