import { StoreRefusedError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { sequenceAfter, type Sequence } from '../../store/values';
import type { Limits } from '../../limits';
import { apiGet, streamInfo, type StreamApi } from '../nats/api';
import type { StoredMessage } from '../nats/message';
import type { NatsPool } from '../nats/pool';
import { within } from './bounded-call';
import {
  decodeBlock,
  decodeStubs,
  isRemoved,
  UnreadableRecordError,
  type RemovedBlock,
  type Stub,
} from './removal-codec';
import {
  allBlocks,
  blockBounds,
  blockOf,
  blockOfSubject,
  blockSubject,
  stubsSubject,
} from './removal-subjects';

/** What became of messages that the log no longer has, by sequence. */
export type Fate =
  /** Nobody knows: they are lost. */
  | { readonly kind: 'lost'; readonly first: Sequence; readonly last: Sequence }
  /** Removed on purpose. */
  | { readonly kind: 'removed'; readonly first: Sequence; readonly last: Sequence }
  /** Removed on purpose, and in its place there is this. */
  | { readonly kind: 'stub'; readonly stub: Stub };

/** One block as its leader has it. */
export interface ReadBlock extends RemovedBlock {
  readonly stubs: ReadonlyMap<Sequence, Stub>;
}

/** The log, as a reader of its records reaches it. */
export interface RecordsAccess {
  readonly pool: NatsPool;
  /** The JetStream stream that is the log. */
  readonly stream: StreamApi;
  /** The first token of its subjects. */
  readonly prefix: string;
  readonly limits: Limits;
}

/** Above this number of blocks those that have a record are listed first. */
const blocksAskedMax = 64;
/** Blocks in memory: the holes of a log that is read from its beginning lie one after another. */
const blocksRememberedMax = 4;

/**
 * Says why messages are missing from the log, as its leader has it. What is removed is recorded before, so the answer is right about
 * every message that was missing when it was asked for.
 */
export class RemovedMessages {
  private readonly remembered = new Map<number, ReadBlock>();

  constructor(private readonly log: RecordsAccess) {}

  /** The log may have gone back, and give sequences again. */
  forget(): void {
    this.remembered.clear();
  }

  /** The fates of the messages from one sequence to another, in order. Throws StoreErrors. */
  async fates(first: Sequence, last: Sequence, call: CallContext): Promise<Fate[]> {
    const fates: Fate[] = [];
    const isRecorded = await this.recordedBlocks(first, last, call);
    for (let block = blockOf(first); block <= blockOf(last); block++) {
      const bounds = blockBounds(block);
      const from = first > bounds.first ? first : bounds.first;
      const to = last < bounds.end ? last : sequenceAfter(bounds.end, -1n);
      const found = isRecorded(block) ? await this.block(block, from, to, call) : undefined;
      if (found === undefined) join(fates, { kind: 'lost', first: from, last: to });
      else addFates(fates, found, from, to);
    }
    return fates;
  }

  /** Whether a message is recorded as removed, and its stub if it has one. It may be in the log all the same. */
  async fateOf(sequence: Sequence, call: CallContext): Promise<Fate> {
    const [fate] = await this.fates(sequence, sequence, call);
    return fate ?? { kind: 'lost', first: sequence, last: sequence };
  }

  private async recordedBlocks(
    first: Sequence,
    last: Sequence,
    call: CallContext,
  ): Promise<(block: number) => boolean> {
    if (blockOf(last) - blockOf(first) < blocksAskedMax) return () => true;
    const blocks = new Set<number>();
    for (let offset = 0; ;) {
      const { pool, stream, limits } = this.log;
      const request = { subjects_filter: allBlocks(this.log), offset };
      const options = within(call, limits.requestTimeoutMs);
      const { state, total = 0 } = await streamInfo(pool.read(), stream.name, request, options);
      const subjects = Object.keys(state.subjects ?? {});
      for (const subject of subjects) blocks.add(blockOfSubject(subject));
      offset += subjects.length;
      if (subjects.length === 0 || offset >= total) return (block) => blocks.has(block);
    }
  }

  /** A block in which everything asked for is removed is final, so that what is remembered of it is right. */
  private async block(
    block: number,
    from: Sequence,
    to: Sequence,
    call: CallContext,
  ): Promise<ReadBlock | undefined> {
    const known = this.remembered.get(block);
    if (known !== undefined && areAllRemoved(known, from, to)) return known;
    const read = await readBlock(this.log, block, call);
    if (read === undefined) return undefined;
    this.remembered.delete(block);
    this.remembered.set(block, read);
    for (const oldest of this.remembered.keys())
      if (this.remembered.size > blocksRememberedMax) this.remembered.delete(oldest);
    return read;
  }
}

/** The record of a block with its stubs; undefined: there is no such record. */
export async function readBlock(
  log: RecordsAccess,
  block: number,
  call: CallContext,
): Promise<ReadBlock | undefined> {
  const record = await newestOn(log, blockSubject(log, block), call);
  if (record === undefined) return undefined;
  return readable(async () => {
    const found = decodeBlock(record.body);
    const stubs = new Map<Sequence, Stub>();
    for (let chunk = 0; chunk < found.stubRecords; chunk++) {
      const message = await newestOn(log, stubsSubject(log, block, chunk), call);
      if (message === undefined) throw new UnreadableRecordError('a record of stubs is gone');
      for (const stub of decodeStubs(message.body)) stubs.set(stub.sequence, stub);
    }
    return { ...found, stubs };
  });
}

/** The newest message on a subject, as the leader of the log has it. */
export function newestOn(
  { pool, stream, limits }: RecordsAccess,
  subject: string,
  call: CallContext,
): Promise<StoredMessage | undefined> {
  return apiGet(pool.read(), stream, { last_by_subj: subject }, within(call, limits.requestTimeoutMs));
}

/** Without its records, what is missing from the log cannot be judged: a reader waits, and never takes it for something else. */
export async function readable<T>(read: () => Promise<T> | T): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof UnreadableRecordError)) throw cause;
    throw new StoreRefusedError(`the records of removed messages cannot be read: ${cause.message}`, 0, {
      cause,
    });
  }
}

function areAllRemoved(block: RemovedBlock, from: Sequence, to: Sequence): boolean {
  for (let at = from; at <= to; at = sequenceAfter(at, 1n)) if (!isRemoved(block, at)) return false;
  return true;
}

function addFates(fates: Fate[], block: ReadBlock, from: Sequence, to: Sequence): void {
  for (let at = from; at <= to; at = sequenceAfter(at, 1n)) {
    const stub = block.stubs.get(at);
    if (!isRemoved(block, at)) join(fates, { kind: 'lost', first: at, last: at });
    else if (stub === undefined) join(fates, { kind: 'removed', first: at, last: at });
    else fates.push({ kind: 'stub', stub });
  }
}

/** Adds to the last fate if that is the same. */
function join(fates: Fate[], fate: Exclude<Fate, { kind: 'stub' }>): void {
  const before = fates.at(-1);
  if (before?.kind === fate.kind) fates[fates.length - 1] = { ...before, last: fate.last };
  else fates.push(fate);
}
