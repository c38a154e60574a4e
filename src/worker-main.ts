import { StartError, type Gateway } from './gateway';
import { boundBuffers, boundHeapGrowth } from './serve/heap-growth';
import { logCrash, openLog } from './serve/log';
import { startWorker } from './worker';
import type { WorkerStart } from './workers/messages';
import { linkToPrimary } from './workers/primary-link';

/** The program of a worker: serves until its primary stops it, or is gone. */

const link = linkToPrimary();

function crash(err: unknown): never {
  logCrash(err);
  process.exit(1);
}

async function serve(start: WorkerStart): Promise<void> {
  const all = openLog(start.config.logLevel);
  const log = all.child({ worker: start.number });
  let gateway: Gateway | undefined;
  link.onMessage((message) => {
    if (message.kind === 'reload') {
      all.level = message.level;
      void (gateway?.reload() ?? Promise.resolve()).then(() => {
        link.send({ kind: 'reloaded' });
      });
    } else if (message.kind === 'metrics') {
      void (gateway?.metricsAsJson() ?? Promise.resolve([])).then((metrics) => {
        link.send({ kind: 'metrics', metrics });
      });
    } else if (message.kind === 'leave') gateway?.leave();
    else if (message.kind === 'stop') void end(gateway);
  });
  try {
    gateway = await startWorker(start, link, log);
    link.send({ kind: 'ready' });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    link.send({ kind: 'failed', failure: { stage: error.stage, message: error.message } });
  }
}

async function end(gateway: Gateway | undefined): Promise<void> {
  await gateway?.close();
  process.exit(0);
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
// A terminal, or a service manager, sends them to all processes: the primary decides.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
// Nobody would write the replica, and nobody would accept: another gateway takes over.
process.on('disconnect', () => process.exit(1));
boundHeapGrowth();
boundBuffers();
let isStarted = false;
link.onMessage((message) => {
  if (message.kind === 'ping') link.send({ kind: 'pong' });
  if (message.kind !== 'start' || isStarted) return;
  isStarted = true;
  void serve(message.start);
});
