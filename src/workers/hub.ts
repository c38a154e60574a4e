import type { Space } from '../jetstream/log/space';
import type { ReaderLink } from '../replica/share/messages';
import type { Publication } from '../replica/share/publication';
import type { Durability } from '../store/durability';
import type { RemovalReport } from '../store/store-facts';
import type { FromWorker } from './messages';
import type { WorkerProcess } from './worker-process';

/** What the primary does for its workers. */
export interface HubOptions {
  readonly publication: Publication;
  readonly durability: Durability;
  readonly space: Pick<Space, 'disk' | 'note'>;
  readonly removal: RemovalReport;
}

const tellIntervalMs = 250;

/** Lets a worker read the replica, syncs the log for it, and tells it about the disk and the removal of messages. */
export function attach(worker: WorkerProcess, options: HubOptions): void {
  const { publication, durability, space } = options;
  publication.add(readerLink(worker));
  worker.onMessage((message) => {
    if (message.kind === 'sync') sync(worker, durability, message);
    else if (message.kind === 'forget') durability.forget();
    else if (message.kind === 'space') space.note(message.report);
  });
  void durability.failed.then(() => {
    worker.send({ kind: 'diskFailed' });
  });
  tellChanges(worker, options);
}

function readerLink(worker: WorkerProcess): ReaderLink {
  return {
    send: (message) => {
      worker.send({ kind: 'replica', message });
    },
    onMessage: (listener) => {
      worker.onMessage((message) => {
        if (message.kind === 'replica') listener(message.message);
      });
    },
    onEnd: (listener) => {
      worker.onEnd(listener);
    },
    kill: () => {
      worker.kill();
    },
  };
}

function sync(
  worker: WorkerProcess,
  durability: Durability,
  { ticket, upTo, waitMs }: Extract<FromWorker, { readonly kind: 'sync' }>,
): void {
  const giveUpMs = performance.now() + waitMs;
  const waiting =
    upTo === 0n ? durability.whenAllDurable(giveUpMs) : durability.whenDurable(upTo, giveUpMs, true);
  const done = (): void => {
    worker.send({ kind: 'synced', ticket });
  };
  if (waiting === undefined) done();
  else
    waiting.then(done, (error: unknown) => {
      worker.send({ kind: 'unsynced', ticket, reason: (error as Error).message });
    });
}

function tellChanges(worker: WorkerProcess, { space, removal }: Pick<HubOptions, 'space' | 'removal'>): void {
  let [sent, sentTrouble] = ['', ''];
  const tell = (): void => {
    const { trouble } = removal;
    if (trouble !== sentTrouble) worker.send({ kind: 'removal', trouble });
    sentTrouble = trouble;
    const report = space.disk;
    const text = `${report.freeBytes.toString()} ${report.closedBy ?? ''}`;
    if (text === sent && report.refused === undefined) return;
    sent = text;
    worker.send({ kind: 'disk', report });
  };
  tell();
  const timer = setInterval(tell, tellIntervalMs).unref();
  worker.onEnd(() => {
    clearInterval(timer);
  });
}
