import { UnreadableCommitError } from '../../store/errors';
import type { AllPage, EventRun, ReadAllQuery, ReadEnd } from '../../store/event-store';
import type { UnreadableMessage } from '../../store/store-info';
import { position } from '../../store/values';
import { positionOf, runsOfGroup, timeOf, type Group } from './groups';
import type { ReadFilter } from './record-filter';
import { isWithinTimes, type Selection } from './select';
import { withoutFirst } from './skip-events';

/** Builds the pages of a filtered read: one for each chunk, and more where messages are skipped. */
export class PageBuilder {
  private left: bigint | undefined;
  private readonly selection: Selection;
  /** What the next page has: events, and what was skipped after them. */
  private runs: EventRun[] = [];
  private skipped: UnreadableMessage[] = [];

  /** `handled`: the read is complete up to here. */
  constructor(
    private readonly query: ReadAllQuery,
    private readonly filter: ReadFilter,
    private handled: bigint,
  ) {
    this.left = query.maxCount;
    this.selection = { ...query.filter, reverse: query.direction === 'backward' };
  }

  get position(): AllPage['position'] {
    return position(this.handled);
  }

  /** The last page has `end` if the read ends with it. Throws UnreadableCommitError after the page before it. */
  *build(groups: readonly Group[], completeTo: bigint, isLast: boolean): Generator<AllPage, void> {
    for (const group of groups) {
      const found = runsOfGroup(group, this.filter, this.selection);
      if (found instanceof UnreadableCommitError) {
        if (!this.filter.skipsUnreadable) {
          yield this.page(undefined);
          throw found.withHint();
        }
        this.skipped.push(found);
      } else {
        const selected = isWithinTimes(this.query, timeOf(group)) ? this.restOf(found, group) : [];
        if (!this.count(selected)) {
          yield this.page('maxCount');
          return;
        }
        // A reader must learn what was skipped before it gets a position after that.
        if (selected.length > 0 && this.skipped.length > 0) yield this.page(undefined);
        this.runs.push(...selected);
      }
      this.handled = positionOf(group);
      if (this.left === 0n) {
        yield this.page('maxCount');
        return;
      }
    }
    this.handled = completeTo;
    yield this.page(isLast ? 'complete' : undefined);
  }

  /** The rest of a commit if the read begins within it. */
  private restOf(runs: readonly EventRun[], group: Group): readonly EventRun[] {
    const { afterPosition, afterCount } = this.query;
    if (afterCount === undefined || positionOf(group) !== afterPosition) return runs;
    return withoutFirst(runs, afterCount);
  }

  /** Counts the events of a group; false: they do not fit any more. The first group may be larger than the bound. */
  private count(runs: readonly EventRun[]): boolean {
    const { left } = this;
    if (left === undefined) return true;
    const eventCount = BigInt(runs.reduce((sum, run) => sum + run.eventCount, 0));
    if (left < eventCount && left !== this.query.maxCount) return false;
    this.left = left > eventCount ? left - eventCount : 0n;
    return true;
  }

  private page(end: ReadEnd | undefined): AllPage {
    const { runs, skipped, position: at } = this;
    [this.runs, this.skipped] = [[], []];
    return { runs, end, position: at, unreadable: skipped };
  }
}
