import { NotPermittedError, StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { Durability } from '../../store/durability';
import type { Sequence } from '../../store/values';
import { within } from '../log/bounded-call';
import { messageAt } from '../log/entry-at';
import { subjectOf, type LogAccess } from '../log/log-access';
import {
  emptyBlock,
  encodeBlock,
  encodeCount,
  encodeStubs,
  decodeStubs,
  isRemoved,
  type Removal,
  type RemovalCount,
  type Stub,
} from '../log/removal-codec';
import { blockMessages, blockOf, blockSubject, countSubject, stubsSubject } from '../log/removal-subjects';
import type { ReadCount } from '../log/removed-count';
import { newestOn, readBlock } from '../log/removed-messages';
import type { StoreFeatures } from '../log/store-features';
import { callApi } from '../nats/api';
import { sentHeader } from '../nats/headers';
import { publishAtomically } from '../nats/publish';
import type { StreamName } from '../../store/values';
import { planErase, replanPurge, type Doomed, type Plan } from './plan';

/** What removing needs. */
export interface Removing {
  readonly log: LogAccess;
  readonly features: StoreFeatures;
  readonly durability: Durability;
}

/** Somebody else has changed a record: another gateway removes messages at the same time. */
export class RemovalContestedError extends Error {}

/** Another record of stubs begins above this size. */
const stubsBytesMax = 128 << 10;
const attemptTimeoutMs = 5_000;
const absenceMaxMs = 250;

/**
 * Removes messages from the log. Each part can be repeated: first the count says what is about to be removed, then the blocks say it of
 * each message, and only when all of that is as durable as an append are the messages removed. Resolves with the new count. Throws
 * RemovalContestedError and StoreErrors; a gateway that finds the count as it was left then finishes the removal.
 */
export async function remove(
  removing: Removing,
  count: ReadCount,
  plans: readonly Plan[],
  { sweptUpTo, call }: { readonly sweptUpTo: bigint; readonly call: CallContext },
): Promise<ReadCount> {
  const { log, features } = removing;
  await features.need('removals', call);
  const messages = plans.flatMap((plan) => plan.messages);
  const pending: RemovalCount = {
    removed: count.removed,
    pending: plans.map(({ removal }) => removal),
    pendingMessages: BigInt(messages.length),
    sweptUpTo: count.sweptUpTo,
  };
  const revision = await put(
    log,
    { subject: countSubject(log), body: encodeCount(pending), revision: count.revision },
    call,
  );
  return finish(removing, { ...pending, revision }, { messages, sweptUpTo, call });
}

/** Finishes what somebody has begun, and left. */
export async function finishPending(
  removing: Removing,
  count: ReadCount,
  call: CallContext,
): Promise<ReadCount> {
  const messages: Doomed[] = [];
  for (const removal of count.pending)
    messages.push(
      ...(removal.kind === 'purge'
        ? await replanPurge(removing.log, removal, call)
        : await planErase(removing.log, removal.sequences, call)),
    );
  return finish(removing, count, { messages, sweptUpTo: count.sweptUpTo, call });
}

interface Finishing {
  /** Those that the log still has. */
  readonly messages: readonly Doomed[];
  readonly sweptUpTo: bigint;
  readonly call: CallContext;
}

async function finish(
  { log, durability }: Removing,
  count: ReadCount,
  { messages, sweptUpTo, call }: Finishing,
): Promise<ReadCount> {
  let last = count.revision;
  for (const [block, doomed] of byBlock(messages)) {
    const revision = await record(log, block, doomed, call);
    if (revision > last) last = revision;
  }
  const syncing = durability.whenDurable(last);
  if (syncing !== undefined) await syncing;
  for (const removal of count.pending) await removeNow(log, removal, messages, call);
  const done: RemovalCount = {
    removed: count.removed + count.pendingMessages,
    pending: [],
    pendingMessages: 0n,
    sweptUpTo,
  };
  const revision = await put(
    log,
    { subject: countSubject(log), body: encodeCount(done), revision: count.revision },
    call,
  );
  return { ...done, revision };
}

function byBlock(messages: readonly Doomed[]): Map<number, Doomed[]> {
  const blocks = new Map<number, Doomed[]>();
  for (const message of messages) {
    const block = blockOf(message.sequence);
    const known = blocks.get(block);
    if (known === undefined) blocks.set(block, [message]);
    else known.push(message);
  }
  return blocks;
}

/** Records messages of one block as removed, unless the record says so. Resolves with the sequence of the record. */
async function record(
  log: LogAccess,
  block: number,
  messages: readonly Doomed[],
  call: CallContext,
): Promise<Sequence> {
  const subject = blockSubject(log, block);
  const stored = await newestOn(log, subject, call);
  const { bits, stubRecords, stubs } = (await readBlock(log, block, call)) ?? {
    ...emptyBlock(),
    stubs: new Map<Sequence, Stub>(),
  };
  const missing = messages.flatMap(({ stub }) =>
    stub === undefined || stubs.has(stub.sequence) ? [] : [stub],
  );
  // A removal that cannot be finished is tried again with each sweep, and must not fill the log.
  if (
    stored !== undefined &&
    missing.length === 0 &&
    messages.every(({ sequence }) => isRemoved({ bits, stubRecords }, sequence))
  )
    return stored.sequence;
  const records = await addStubs(log, { block, stubRecords }, missing, call);
  for (const { sequence } of messages) {
    const at = Number(sequence % BigInt(blockMessages));
    bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
  }
  const body = encodeBlock({ bits, stubRecords: records });
  return put(log, { subject, body, revision: stored?.sequence ?? (0n as Sequence) }, call);
}

/** Resolves with how many records have stubs then. */
async function addStubs(
  log: LogAccess,
  { block, stubRecords }: { readonly block: number; readonly stubRecords: number },
  stubs: readonly Stub[],
  call: CallContext,
): Promise<number> {
  if (stubs.length === 0) return stubRecords;
  let chunk = Math.max(0, stubRecords - 1);
  // One that an interrupted removal has stored is not counted yet, and is replaced.
  const last = await newestOn(log, stubsSubject(log, block, chunk), call);
  let held: Stub[] = last === undefined || stubRecords === 0 ? [] : decodeStubs(last.body);
  let bytes = held.length === 0 ? 0 : (last?.body.length ?? 0);
  let revision = last?.sequence ?? (0n as Sequence);
  for (const stub of stubs) {
    if (held.length > 0 && bytes + stub.body.length > stubsBytesMax) {
      await put(log, { subject: stubsSubject(log, block, chunk), body: encodeStubs(held), revision }, call);
      chunk++;
      revision = (await newestOn(log, stubsSubject(log, block, chunk), call))?.sequence ?? (0n as Sequence);
      [held, bytes] = [[], 0];
    }
    held.push(stub);
    bytes += stub.body.length;
  }
  await put(log, { subject: stubsSubject(log, block, chunk), body: encodeStubs(held), revision }, call);
  return chunk + 1;
}

async function removeNow(
  log: LogAccess,
  removal: Removal,
  messages: readonly Doomed[],
  call: CallContext,
): Promise<void> {
  const { pool, stream, limits } = log;
  const api = (verb: string, body: unknown): Promise<unknown> =>
    callApi(pool.append(), `STREAM.${verb}.${stream.name}`, body, within(call, limits.requestTimeoutMs));
  if (removal.kind === 'purge') {
    const filter = subjectOf(log, removal.stream as StreamName);
    await api('PURGE', { filter, seq: Number(removal.before) });
    return;
  }
  const left = new Set(messages.map(({ sequence }) => sequence));
  for (const sequence of removal.sequences)
    if (left.has(sequence)) {
      try {
        await api('MSG.DELETE', { seq: Number(sequence), no_erase: false });
      } catch (error) {
        // An answer may have been lost.
        if ((await messageAt(log, sequence, call)) !== undefined) throw error;
      }
    }
}

interface Record {
  readonly subject: string;
  readonly body: Uint8Array;
  /** The sequence that the last message on the subject must have; 0: there must be no message. */
  readonly revision: Sequence;
}

/** Stores a record. Resolves with its sequence. Throws RemovalContestedError and StoreErrors. */
async function put(
  { pool }: LogAccess,
  { subject, body, revision }: Record,
  call: CallContext,
): Promise<Sequence> {
  const headers = { [sentHeader.previous]: revision.toString() };
  const { timeoutMs } = within(call, attemptTimeoutMs);
  const outcome = await publishAtomically(pool.append(), [{ subject, headers, body }], {
    timeoutMs,
    absenceMaxMs,
  });
  switch (outcome.kind) {
    case 'stored':
      return outcome.sequence;
    case 'duplicate':
    case 'conflict':
      throw new RemovalContestedError(`${subject} was changed meanwhile`);
    case 'lost':
    case 'failed':
      if (outcome.cause instanceof NotPermittedError) throw outcome.cause;
      throw new StoreUnavailableError(`a record of removals was not stored: ${String(outcome.cause)}`, {
        cause: outcome.cause,
      });
  }
}
