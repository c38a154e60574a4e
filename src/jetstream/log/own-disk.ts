import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamInfo } from '../nats/api';
import type { Logger } from 'pino';
import type { LogAccess } from './log-access';
import type { Space } from './space';

/** The embedded nats-server, as far as its disk and what it can write are concerned. */
export interface OwnServer {
  readonly dataDir: string;
  /** Bytes that the store may take, all its streams together. */
  bytesMax(): number;
  /** Bytes that one byte of the store takes on its disk, with what the replica has of it. */
  bytesOnDisk(): Promise<number>;
  /** Lets the store take more, if the disk has more by now. */
  raiseBound(): Promise<void>;
  /** Why one of its streams cannot be written any more; undefined: nothing is wrong, or it gives no answer. */
  writeError(): Promise<string | undefined>;
  /** Ends the server, which is then started again. */
  restart(): Promise<void>;
}

export interface DiskWatch {
  close(): Promise<void>;
}

const intervalMs = 1_000;
/** All files of the store are looked at to find a higher bound. */
const raiseIntervalMs = 5_000;
/** Room is there again when there is this much more than the reserve: it shall not come and go with every append. */
const returnShare = 1.25;

/**
 * Looks once a second at the disk of the gateway's own nats-server. Appends are refused before the disk is full, since the
 * server gives no answer then, and takes nothing until it is started anew. Where that has happened all the same, it is
 * started anew as soon as there is room.
 */
export async function watchOwnDisk(
  log: LogAccess,
  space: Space,
  server: OwnServer,
  logger: Logger,
): Promise<DiskWatch> {
  const stop = new AbortController();
  const { signal } = stop;
  let isLow = false;
  let writeError: string | undefined;
  let raiseNextMs = 0;

  async function look(): Promise<void> {
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
      logger.error({ writeError }, 'the embedded nats-server cannot write any more; it is started anew');
      await server.restart();
      writeError = undefined;
    }
    if (!isLow) space.close(undefined);
    if (space.fullBy !== undefined) await raiseBound();
    const room = (free - reserve) / (await server.bytesOnDisk());
    space.hasRoomFor(Math.min(room, server.bytesMax() - (await usedBytes(log, signal))));
  }

  /** What others have deleted may leave more to the store. */
  async function raiseBound(): Promise<void> {
    if (performance.now() < raiseNextMs) return;
    await server.raiseBound().catch((err: unknown) => {
      logger.warn({ err }, 'what the store may take cannot be raised');
    });
    raiseNextMs = performance.now() + raiseIntervalMs;
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      // While the server is away there is nothing to see; that it is, others say.
      await look().catch(() => undefined);
    }
  }

  await look();
  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
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
