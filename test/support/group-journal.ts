import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObservedDelivery } from './group-history';
import { tick } from './group-member';

/** A process that is a member of a group, and keeps a journal of what it observes. */
export interface GroupWorker {
  readonly kill: () => Promise<void>;
  /** Lets it settle what it has, and leave. */
  readonly stop: () => Promise<void>;
  /** What it observed; complete when it has ended. */
  readonly observed: () => ObservedDelivery[];
}

const script = join(__dirname, '..', '..', 'scripts', 'run-ts.cjs');
const program = join(__dirname, '..', 'soak', 'group-worker.ts');

export function startGroupWorker(journal: string, args: readonly string[]): GroupWorker {
  const child = fork(script, [program, journal, ...args]);
  let killedAt: number | undefined;
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    if (signal === 'SIGKILL') killedAt = tick();
    child.kill(signal);
    await ended;
  };
  return {
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    observed: () => readJournal(journal, killedAt),
  };
}

/** What a process had when it was killed is lost from then on. */
function readJournal(journal: string, killedAt: number | undefined): ObservedDelivery[] {
  const byStart = new Map<number, ObservedDelivery>();
  const lines = readFileSync(journal, { encoding: 'utf8', flag: 'a+' }).split('\n').slice(0, -1);
  for (const line of lines) {
    const observed = JSON.parse(line) as ObservedDelivery;
    byStart.set(observed.startedAt, observed);
  }
  const all = [...byStart.values()];
  if (killedAt === undefined) return all;
  for (const one of all)
    if (one.outcome === undefined)
      Object.assign(one, { outcome: 'lost', endedAt: Math.max(killedAt, one.startedAt) });
  return all;
}
