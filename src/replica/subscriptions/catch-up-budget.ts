import type { Limits } from '../../limits';

/** The memory that all subscriptions which read from the disk share. */
export interface CatchUpBudget {
  join(): CatchUpShare;
}

/** The share of one subscription. */
export interface CatchUpShare {
  /** The size of its next chunk, which comes from the disk or from memory, in bytes. */
  chunkBytes(isFromDisk: boolean): number;
  leave(): void;
}

const chunkBytesMin = 16 << 10;
const chunkBytesMax = 256 << 10;

export function createCatchUpBudget({ catchUpBytesMax, subscriptionBytesMax }: Limits): CatchUpBudget {
  let readers = 0;
  return {
    join() {
      let isReader = false;
      const setReader = (now: boolean): void => {
        if (now !== isReader) readers += now ? 1 : -1;
        isReader = now;
      };
      return {
        chunkBytes(isFromDisk) {
          setReader(isFromDisk);
          if (!isFromDisk) return subscriptionBytesMax;
          // A chunk is copied once more when it is sent.
          const share = Math.floor(catchUpBytesMax / (2 * readers));
          return Math.max(chunkBytesMin, Math.min(chunkBytesMax, share));
        },
        leave() {
          setReader(false);
        },
      };
    },
  };
}
