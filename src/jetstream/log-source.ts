import type { CallContext } from '../store/event-store';
import { coverOf, patternMatcher } from '../store/patterns';
import { parseStreamName } from '../store/values';
import { isCheck, readPart, stepOf, type StoredPart } from './commit-codec';
import { directGetBatch } from './direct-get';
import { storedMessage, upTo, type RawMessage, type StoredMessage } from './message';
import { everything, nameOf, patiently, type StoreContext } from './store-context';

/** Some messages in the order of the log. */
export interface Fetched {
  /** As they came: see `storedMessage`. */
  readonly messages: readonly RawMessage[];
  /** All messages up to here are in this page or one before. */
  readonly covered: bigint;
}

/** To take all messages pays where so many are wanted of them, */
const wantedShareMin = 2 / 3;
/** and of their bytes, since the others come over the wire for nothing. */
const wantedBytesShareMin = 1 / 4;
/** Fewer messages say little. */
const judgedMessagesMin = 250;

/**
 * The messages of the log whose streams match. The server looks for one pattern only: with several for the narrowest that
 * covers all of them. The search costs it more than to send a message does, the more the more streams there are (ADR 0011):
 * where nearly every message is wanted it sends all, and the others are dropped here.
 */
export class LogSource {
  private readonly start: string;
  private readonly subject: string;
  private readonly matches: (name: string) => boolean;
  private readonly isWhole: boolean;
  /** Every message is fetched, so that one that is lost is missed. */
  readonly isGapless: boolean;
  private takesAll: boolean;
  /** Taking all was tried, and did not pay. */
  private wasSparse = false;
  private met = { messages: 0, wanted: 0, bytes: 0, wantedBytes: 0 };

  constructor(
    private readonly context: StoreContext,
    private readonly patterns: readonly string[],
    private readonly call: CallContext,
  ) {
    const cover = coverOf(patterns);
    this.start = `${context.prefix}.`;
    this.subject = `${this.start}${cover}`;
    this.matches = patternMatcher(patterns);
    this.isGapless = context.health.isCut;
    this.isWhole = cover === everything || this.isGapless;
    this.takesAll = this.isWhole;
  }

  /** The next messages in (from - 1, through], some of which may not be wanted. */
  async fetch(from: bigint, through: bigint, bytesMax = this.context.limits.fetchBytesMax): Promise<Fetched> {
    if (!this.isWhole) this.judge();
    const { takesAll } = this;
    const page = { subject: takesAll ? everything : this.subject, from, through, bytesMax };
    const fetched = await fetchPage(this.context, page, this.call);
    const { length } = fetched.messages;
    if (!takesAll && !this.wasSparse && length >= judgedMessagesMin)
      this.takesAll = length >= wantedShareMin * Number(fetched.covered - from + 1n);
    return fetched;
  }

  /**
   * Where the transaction begins that goes on at a sequence. The message there may be of a stream that is not asked for, and
   * those that are asked for lie before it.
   */
  async startOfStep(sequence: bigint): Promise<bigint> {
    if (this.patterns.length === 0) return sequence; // every message is asked for, and tells it
    const at = { subject: everything, from: sequence, through: sequence, bytesMax: 1 };
    const { messages } = await fetchPage(this.context, at, this.call);
    try {
      return (messages[0] && stepOf(storedMessage(messages[0]))?.from) ?? sequence;
    } catch {
      return sequence; // not a commit; a read that asks for it meets it
    }
  }

  /** Whether a fetched message is asked for. What is asked here tells whether taking all pays. */
  wants({ subject, body }: StoredMessage): boolean {
    const name = nameOf(this.context, subject);
    const isWanted = subject.startsWith(this.start) && !isCheck(name) && this.matches(name);
    this.met.messages++;
    this.met.bytes += body.length;
    if (!isWanted) return false;
    this.met.wanted++;
    this.met.wantedBytes += body.length;
    return true;
  }

  nameOf({ subject }: StoredMessage): string {
    return nameOf(this.context, subject);
  }

  /** Throws UnreadableCommitError. */
  toPart(message: StoredMessage): StoredPart | undefined {
    return toPart(this.nameOf(message), message);
  }

  /** Lets the server search again where too much has come that nobody wants. */
  private judge(): void {
    const { messages, wanted, bytes, wantedBytes } = this.met;
    if (messages < judgedMessagesMin) return;
    this.met = { messages: 0, wanted: 0, bytes: 0, wantedBytes: 0 };
    if (wanted >= wantedShareMin * messages && wantedBytes >= wantedBytesShareMin * bytes) return;
    this.wasSparse = true;
    this.takesAll = false;
  }
}

/** A message of the log as a part of a commit; undefined: it is not part of the store. Throws UnreadableCommitError. */
export function toPart(name: string, message: StoredMessage): StoredPart | undefined {
  const stream = parseStreamName(name);
  return stream && readPart(stream, message);
}

interface Page {
  readonly subject: string;
  readonly from: bigint;
  readonly through: bigint;
  readonly bytesMax: number;
}

async function fetchPage(
  context: StoreContext,
  { subject, from, through, bytesMax }: Page,
  call: CallContext,
): Promise<Fetched> {
  const { pool, log, limits } = context;
  const link = pool.read();
  // A short range needs no large batch, whose surplus would be read from disk for nothing.
  const batch = Math.min(Number(through - from + 1n), limits.fetchMessagesMax);
  return patiently(context, subject === everything ? 'the log' : subject, call, async (options) => {
    const lookup = { seq: Number(from), next_by_subj: subject, batch, max_bytes: bytesMax };
    const { messages, more } = await directGetBatch(link, log, lookup, options);
    const newest = messages.at(-1);
    const last = newest && storedMessage(newest).sequence;
    if (last !== undefined && last >= through) return { messages: upTo(messages, through), covered: through };
    // That there is no more, one that lags behind cannot know; that there is none, the leader has said.
    const isPart = last !== undefined && (more || !link.isAlone);
    return { messages, covered: isPart ? last : through };
  });
}
