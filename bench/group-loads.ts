import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { GroupMessage, GroupProgress, GroupTask } from './group-load';
import { cpuSecondsOf } from './peer-servers';

/** Processes of members and workers. */
export interface GroupLoads extends AsyncDisposable {
  /**
   * Divides the workers among the processes, waits until they have `events` together, or until a task with `delivery` is done,
   * and stops them. Resolves with what each process received.
   */
  run(task: GroupTask, events: number): Promise<readonly GroupProgress[]>;
  /** The processor time of all processes so far, in seconds. */
  cpuSeconds(): number;
}

const timeoutMs = 180_000;

export async function startGroupLoads(count: number, address: string, natsUrl: string): Promise<GroupLoads> {
  const children = Array.from({ length: count }, () =>
    fork(join(__dirname, 'group-load.js'), [address, natsUrl]),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  return {
    cpuSeconds: () => children.reduce((sum, { pid }) => sum + cpuSecondsOf(pid as number), 0),
    async run(task, events) {
      const busy = children.slice(0, task.delivery === undefined ? task.workers : 1);
      const share = (part: number): number => Math.floor((task.workers * part) / busy.length);
      const progress = await received(busy, task.delivery === undefined ? events : undefined, () => {
        for (const [index, child] of busy.entries())
          child.send({ ...task, workers: share(index + 1) - share(index) });
      });
      await Promise.all(busy.map(stopped));
      return progress;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(
        children.map(async (child) => {
          const ended = once(child, 'exit');
          child.disconnect();
          await ended;
        }),
      );
    },
  };
}

/** `events` undefined: until a process has a histogram. */
async function received(
  children: readonly ChildProcess[],
  events: number | undefined,
  begin: () => void,
): Promise<readonly GroupProgress[]> {
  const progress = new Map<ChildProcess, GroupProgress>();
  const isDone = (): boolean => {
    const all = [...progress.values()];
    if (events === undefined) return all.some(({ histogram }) => histogram !== undefined);
    return all.reduce((sum, one) => sum + one.received, 0) >= events;
  };
  await listening(
    children,
    (child, message, done) => {
      if (typeof message !== 'string' && 'received' in message) progress.set(child, message);
      if (isDone()) done();
    },
    begin,
  );
  return [...progress.values()];
}

async function stopped(child: ChildProcess): Promise<void> {
  await listening(
    [child],
    (_, message, done) => {
      if (message === 'stopped') done();
    },
    () => child.send('stop'),
  );
}

type Listener = (child: ChildProcess, message: GroupMessage, done: () => void) => void;

/** Calls `begin`, then `listen` with each message until it calls `done`. Fails with the error of a process. */
async function listening(
  children: readonly ChildProcess[],
  listen: Listener,
  begin: () => void,
): Promise<void> {
  const remove: (() => void)[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(reject, timeoutMs, new Error('the load of groups took too long'));
      remove.push(() => {
        clearTimeout(timer);
      });
      for (const child of children) {
        const onMessage = (message: GroupMessage): void => {
          if (typeof message !== 'string' && 'error' in message) reject(new Error(message.error));
          else listen(child, message, resolve);
        };
        const onExit = (): void => {
          reject(new Error('a load process ended'));
        };
        child.on('message', onMessage).on('exit', onExit);
        remove.push(() => child.off('message', onMessage).off('exit', onExit));
      }
      begin();
    });
  } finally {
    for (const one of remove) one();
  }
}
