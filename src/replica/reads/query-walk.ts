import type { EventQuery } from '../../store/event-query';
import type { Sequence } from '../../store/values';
import { hashOf } from '../index/id-hash';
import type { Posting, RecordPlace } from '../index/tag-keys';
import type { PostingsFrom, TagsIndex } from '../index/tags-index';

/** Postings that one look into the index returns: few after a jump, more while they are taken one after another. */
const pageMin = 3;
const pageMax = 1_024;
/** Looks at postings after which other calls run, and what one look into the index counts as. */
const budgetMax = 4_096;
const pageCost = 8;

/** Records of a batch. */
const recordsMax = 64;

/** Whether each item of a query has tags, so that the index finds all of its events. */
export function isIndexed(query: EventQuery | undefined): query is EventQuery {
  return query?.items.every(({ tags }) => tags.length > 0) === true;
}

/** Records that may match a query, in the direction of a read. */
export interface Candidates {
  readonly postings: readonly Posting[];
  /** There are no more up to this position, in the direction of the read; undefined: there are no more at all. */
  readonly completeTo: bigint | undefined;
}

/**
 * Finds the records that may match a query by the index of tags. The postings of all tags of an item are walked together, each
 * list from where another one is: so the shortest one decides what that costs. What is not a commit is a candidate, too.
 */
export class QueryWalk {
  private readonly lists: readonly List[];
  private readonly budget = { left: 0 };
  private from: RecordPlace;
  /** Of the transaction within which the last batch ended. */
  private held: Posting[] = [];

  /** `from`: the position where it begins, inclusive. */
  constructor(
    index: TagsIndex,
    query: EventQuery,
    from: bigint,
    private readonly reverse: boolean,
  ) {
    const { budget } = this;
    const items = query.items.map(({ tags }) =>
      tags.map((tag) => {
        const hash = hashOf(tag);
        return new Postings((start) => index.postings(hash, start), reverse, budget);
      }),
    );
    const damaged = new Postings((start) => index.damaged(start), reverse, budget);
    this.lists = [...items.map((lists) => new Joined(lists)), damaged];
    this.from = { position: from, sequence: reverse ? from : 0n } as RecordPlace;
  }

  /** The next candidates, of about this many bytes; all records of a transaction are in one batch. */
  next(bytesMax: number): Candidates {
    this.budget.left = budgetMax;
    const postings = this.held;
    this.held = [];
    let bytes = bytesOf(postings);
    for (;;) {
      const found = this.nextPosting();
      if (found === undefined) return { postings, completeTo: undefined };
      const last = postings.at(-1);
      if (found === 'later') {
        // More of the last transaction may follow.
        this.held = postings.filter(({ position }) => position === last?.position);
        const complete = postings.filter(({ position }) => position !== last?.position);
        return { postings: complete, completeTo: this.before(last ?? this.from) };
      }
      const isFull = postings.length >= recordsMax || bytes >= bytesMax;
      if (isFull && last?.position !== found.position) return { postings, completeTo: this.before(found) };
      postings.push(found);
      bytes += found.location.length;
      this.from = placeAfter(found, this.reverse);
    }
  }

  private before({ position }: RecordPlace): bigint {
    return this.reverse ? position + 1n : position - 1n;
  }

  /** `later`: it takes too long now. */
  private nextPosting(): Posting | 'later' | undefined {
    let first: Posting | undefined;
    for (const list of this.lists) {
      const found = list.seek(this.from);
      if (found === 'later') return found;
      if (found !== undefined && (first === undefined || isBefore(found, first, this.reverse))) first = found;
    }
    return first;
  }
}

function bytesOf(postings: readonly Posting[]): number {
  return postings.reduce((sum, { location }) => sum + location.length, 0);
}

interface List {
  /** The first posting at a place or after it; each place is at the last one or after it. */
  seek(place: RecordPlace): Posting | 'later' | undefined;
}

/** The postings that several lists have in common. */
class Joined implements List {
  /** There is no common posting before this one. */
  private reached: RecordPlace | undefined;
  private found: Posting | undefined;
  private isAtEnd = false;

  constructor(private readonly lists: readonly Postings[]) {}

  seek(place: RecordPlace): Posting | 'later' | undefined {
    const { reverse } = this.lists[0] as Postings;
    if (this.isAtEnd) return undefined;
    if (this.found !== undefined && !isBefore(this.found, place, reverse)) return this.found;
    this.found = undefined;
    if (this.reached === undefined || isBefore(this.reached, place, reverse)) this.reached = place;
    for (let agreed = 0, at = 0; agreed < this.lists.length; at++) {
      const { reached } = this;
      const posting = (this.lists[at % this.lists.length] as Postings).seek(reached);
      if (posting === 'later') return posting;
      if (posting === undefined) {
        this.isAtEnd = true;
        return undefined;
      }
      agreed = posting.sequence === reached.sequence ? agreed + 1 : 1;
      [this.reached, this.found] = [posting, posting];
    }
    return this.found;
  }
}

/** The postings of one tag. */
class Postings implements List {
  private page: readonly Posting[] = [];
  private at = 0;
  private limit = pageMin;
  private isLast = false;

  constructor(
    private readonly fetch: (from: PostingsFrom) => readonly Posting[],
    readonly reverse: boolean,
    private readonly budget: { left: number },
  ) {}

  seek(place: RecordPlace): Posting | 'later' | undefined {
    const { reverse, budget } = this;
    for (;;) {
      const taken = this.at;
      for (; this.at < this.page.length; this.at++) {
        const posting = this.page[this.at] as Posting;
        if (!isBefore(posting, place, reverse)) return posting;
        budget.left--;
      }
      if (this.isLast) return undefined;
      if (budget.left <= 0) return 'later';
      const { position } = place;
      // A page was taken one by one, or is within one large transaction.
      const isDense = this.page.length - taken <= 2 || this.page.at(-1)?.position === position;
      this.limit = isDense ? Math.min(this.limit * 2, pageMax) : pageMin;
      this.page = this.fetch({ position, reverse, limit: this.limit });
      this.at = 0;
      this.isLast = this.page.length < this.limit;
      budget.left -= pageCost;
    }
  }
}

function isBefore(one: RecordPlace, other: RecordPlace, reverse: boolean): boolean {
  return reverse ? one.sequence > other.sequence : one.sequence < other.sequence;
}

function placeAfter({ position, sequence }: RecordPlace, reverse: boolean): RecordPlace {
  return { position, sequence: (sequence + (reverse ? -1n : 1n)) as Sequence };
}
