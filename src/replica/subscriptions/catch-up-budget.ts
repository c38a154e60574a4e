import type { Limits } from '../../limits';

/** Subscriptions that read from the disk, which share what they may hold. */
export interface CatchUps {
  join(): CatchUp;
}

/** The part of one subscription. */
export interface CatchUp {
  /** Bytes of the next chunk, which comes from the disk or from memory. */
  chunkBytes(isFromDisk: boolean): number;
  leave(): void;
}

const chunkBytesMin = 16 << 10;
const chunkBytesMax = 256 << 10;

export function createCatchUps({ catchUpBytesMax, subscriptionBytesMax }: Limits): CatchUps {
  let running = 0;
  return {
    join() {
      let takesPart = false;
      const set = (now: boolean): void => {
        if (now !== takesPart) running += now ? 1 : -1;
        takesPart = now;
      };
      return {
        chunkBytes(isFromDisk) {
          set(isFromDisk);
          if (!isFromDisk) return subscriptionBytesMax;
          // What was read is copied once more to be sent.
          const share = Math.floor(catchUpBytesMax / (2 * running));
          return Math.max(chunkBytesMin, Math.min(chunkBytesMax, share));
        },
        leave() {
          set(false);
        },
      };
    },
  };
}
