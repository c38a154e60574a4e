import { statfs } from 'node:fs/promises';
import { streamInfo } from '../nats/api';
import type { Logger } from 'pino';
import type { LogAccess } from './log-access';
import { checkPeriodically, type PeriodicCheck } from './periodic-check';
import type { Space } from './space';

/** The embedded nats-server, as far as it concerns its disk. */
export interface EmbeddedDisk {
  readonly dataDir: string;
  /** Bytes that the store may take, all its streams together. */
  bytesMax(): number;
  /** Bytes on the disk for each byte of the store: more than one if the replica is on the same disk. */
  bytesOnDisk(): Promise<number>;
  /** Raises the bound of the store if the disk has more free space now. */
  raiseBound(): Promise<void>;
  /** Why the store can no longer be written; undefined: nothing is wrong, or the server does not answer. */
  writeError(): Promise<string | undefined>;
  /** Ends the server; it is started again. */
  restart(): Promise<void>;
}

/** The search for a higher bound reads the sizes of all files of the store. */
const raiseIntervalMs = 5_000;
/** Space counts as free again at this multiple of the reserve, so that it does not come and go with every append. */
const returnShare = 1.25;

/**
 * Checks the disk of the embedded nats-server once a second. Appends are refused before the disk is full: on a full disk the server
 * does not answer, and stores nothing until it is restarted. If the disk fills up nevertheless, the server is restarted as soon
 * as there is space.
 */
export function watchEmbeddedDisk(
  log: LogAccess,
  space: Space,
  server: EmbeddedDisk,
  logger: Logger,
): Promise<PeriodicCheck> {
  let isLow = false;
  let writeError: string | undefined;
  let raiseNextMs = 0;

  async function check(signal: AbortSignal): Promise<void> {
    const free = await freeBytes(server.dataDir);
    const reserve = log.limits.diskReserveBytes;
    isLow = free < (isLow ? reserve * returnShare : reserve);
    if (isLow)
      space.close(`the disk has ${free.toString()} bytes left, and ${reserve.toString()} are kept free`);
    if (space.unanswered) {
      space.unanswered = false;
      writeError = await server.writeError();
    }
    if (writeError !== undefined) space.close(writeError);
    if (!isLow && writeError !== undefined) {
      logger.error({ writeError }, 'the embedded nats-server can no longer write; restarting it');
      await server.restart();
      writeError = undefined;
    }
    if (!isLow) space.close(undefined);
    if (space.fullBy !== undefined) await raiseBound();
    const bytesLeft = (free - reserve) / (await server.bytesOnDisk());
    space.setFreeBytes(Math.min(bytesLeft, server.bytesMax() - (await usedBytes(log, signal))));
  }

  /** Files that others have deleted may leave more space to the store. */
  async function raiseBound(): Promise<void> {
    if (performance.now() < raiseNextMs) return;
    await server.raiseBound().catch((err: unknown) => {
      logger.warn({ err }, 'the bound of the store cannot be raised');
    });
    raiseNextMs = performance.now() + raiseIntervalMs;
  }

  // While the server is away, its connections report that.
  return checkPeriodically(check, () => undefined);
}

async function freeBytes(dataDir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  return bavail * bsize;
}

async function usedBytes({ pool, stream, limits }: LogAccess, signal: AbortSignal): Promise<number> {
  const options = { timeoutMs: limits.requestTimeoutMs, signal };
  const { state } = await streamInfo(pool.append(), stream.name, undefined, options);
  return state.bytes;
}
