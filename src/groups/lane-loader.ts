import type { GroupsContext } from './context';
import { ownCall } from './context';
import { UnreadableCommitError } from '../store/errors';
import type { CurrentGroup } from './group-record';
import type { Lane } from './lane';
import { readUnits, type UnitSource } from './store-reads';
import type { Missing } from './unit';

const readTimeoutMs = 10_000;
/** Reads of streams under way for one group. */
const readsMax = 16;

/** Reads what lanes need of streams that were held up. */
export class LaneLoader {
  private underWay = 0;

  constructor(
    private readonly context: GroupsContext,
    private readonly group: CurrentGroup,
    private readonly onRead: () => void,
    private readonly onFailure: (error: Error) => void,
  ) {}

  /** Begins the reads for which there is room. */
  load(lane: Lane): void {
    while (this.underWay < readsMax) {
      const missing = lane.nextUnread();
      if (missing === undefined) return;
      this.underWay++;
      void this.read(lane, missing);
    }
  }

  private get source(): UnitSource {
    const { store, limits } = this.context;
    return { store, settings: this.group.stored.group.settings, unitBytesMax: limits.pageBytesMax };
  }

  private async read(lane: Lane, missing: Missing): Promise<void> {
    try {
      const { units, isComplete } = await readUnits(this.source, missing, ownCall(readTimeoutMs));
      lane.read(missing.stream, units, isComplete, missing.upTo);
    } catch (error) {
      if (error instanceof UnreadableCommitError) this.onFailure(error);
      else
        this.context.log.warn(
          { err: error, stream: missing.stream },
          'a stream could not be read for a group',
        );
      lane.readFailed(missing.stream, performance.now() + readAgainMs);
    } finally {
      this.underWay--;
      this.onRead();
    }
  }
}

/** After a read that failed. */
const readAgainMs = 500;
