import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { FolderLock } from './folder-lock';
import type { TiedProcess } from './tied-process';

/** How long a server may take to end before it is killed. */
export const stopTimeoutMs = 10_000;
const backoffMinMs = 250;
const backoffMaxMs = 10_000;
/** A server that runs this long counts as well started. */
const stableMs = 30_000;

/** A server that is restarted whenever it ends. */
export interface Supervised {
  readonly pid: () => number | undefined;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Ends the server; it is restarted like a server that ended by itself. */
  readonly restart: () => Promise<void>;
  readonly close: () => Promise<void>;
  /** Another gateway has the folder: kills the server before it can write, and does not restart it. */
  readonly abandon: () => void;
}

/** Restarts the server on its port whenever it ends, after a pause that doubles until a server keeps running. */
export function supervise(
  first: TiedProcess,
  relaunch: () => Promise<TiedProcess>,
  lock: FolderLock,
  log: Logger,
): Supervised {
  let server = first;
  const closing = new AbortController();
  const { signal } = closing;
  const isClosing = (): boolean => signal.aborted;

  const watch = async (): Promise<void> => {
    let backoffMs = backoffMinMs;
    while (!isClosing()) {
      const startMs = performance.now();
      const end = await server.ended;
      if (isClosing()) return;
      if (performance.now() - startMs > stableMs) backoffMs = backoffMinMs;
      log.error(
        { end, stderr: server.stderrTail(), backoffMs },
        'the embedded nats-server ended; restarting it',
      );
      await sleep(backoffMs, undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(2 * backoffMs, backoffMaxMs);
      // A lost folder gets no second server: the next beat of the lock calls `abandon`.
      if (isClosing() || !(await lock.held())) return;
      try {
        const next = await relaunch();
        server = next;
        log.info({ natsPid: next.pid }, 'the embedded nats-server was restarted');
        if (isClosing()) await next.stop(stopTimeoutMs);
      } catch (err) {
        log.error({ err }, 'the embedded nats-server could not be restarted');
      }
    }
  };
  const watching = watch();
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing.abort();
    await server.stop(stopTimeoutMs);
    await watching;
    await lock.release();
  };
  return {
    pid: () => (server.end === undefined ? server.pid : undefined),
    signal(name) {
      server.kill(name);
    },
    restart: () => server.stop(stopTimeoutMs),
    close: () => (closed ??= close()),
    abandon() {
      closing.abort();
      server.kill('SIGKILL');
    },
  };
}
