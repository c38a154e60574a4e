import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Job, SlotReport } from './job';
import { toSlot, type Slot } from './statistics';

/** Load processes that call one gateway and its NATS server, each with its own channel and connection. */
export interface Clients extends AsyncDisposable {
  /** Divides the callers among the processes and runs the job; fails if any call fails. */
  run(job: Omit<Job, 'callers'> & { readonly callers: number }): Promise<Slot>;
}

type Message = SlotReport | { readonly error: string } | 'ready';

export async function startClients(count: number, address: string, natsUrl: string): Promise<Clients> {
  const children = Array.from({ length: count }, () => fork(join(__dirname, 'load.js'), [address, natsUrl]));
  try {
    await Promise.all(children.map(nextMessage));
  } catch (error) {
    await end(children);
    throw error;
  }
  return {
    async run({ callers, ...job }) {
      const busy = children.slice(0, callers);
      const reports = await Promise.all(
        busy.map((child, index) => {
          const share = (part: number): number => Math.floor((callers * part) / busy.length);
          return report(child, { ...job, callers: { from: share(index), to: share(index + 1) } });
        }),
      );
      return toSlot(reports);
    },
    [Symbol.asyncDispose]: () => end(children),
  };
}

async function report(child: ChildProcess, job: Job): Promise<SlotReport> {
  const answer = nextMessage(child);
  child.send(job);
  const message = await answer;
  if (typeof message === 'string') throw new Error('a load process started twice');
  if ('error' in message) throw new Error(`${job.operation.kind} by ${job.peer}: ${message.error}`);
  return message;
}

function nextMessage(child: ChildProcess): Promise<Message> {
  if (hasEnded(child)) return Promise.reject(new Error('a load process has ended'));
  return new Promise((resolve, reject) => {
    const onExit = (): void => {
      reject(new Error('a load process ended'));
    };
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as Message);
    });
  });
}

async function end(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (hasEnded(child)) return;
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    }),
  );
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
