import { OutcomeUnknownError } from '../../store/errors';
import type {
  AppendCommand,
  AppendMultiCommand,
  AppendMultiResult,
  AppendResult,
  CallContext,
  EventStore,
} from '../../store/event-store';
import type { ControlCommand, ControlResult } from '../../store/control-command';
import type { StreamAppended } from '../../store/found-commit';
import { noVersion, unixNanos } from '../../store/values';
import { unattended, withDeadline } from '../log/bounded-call';
import { toStoreError } from '../nats/errors';
import { checkVersions, replay, type Appended } from './appended';
import { describeAfter } from './control';
import type { StreamQueues } from './stream-queues';
import {
  streamsWritten,
  toControlTransaction,
  toMultiTransaction,
  toTransaction,
  type Transaction,
} from './transaction';
import { untilDecided, type Appender } from './until-decided';
import { validate, type Validated } from './validate';

/** What the appends of one gateway share. */
export interface Appending extends Appender {
  readonly queues: StreamQueues;
  readonly appendTimeoutMs: number;
  /** Of the view, after it has caught up with the log. */
  readonly describe: EventStore['getStream'];
}

/**
 * Stores the events of an append as one commit, or nothing. Appends to one stream are stored one after another. Rejects with
 * StoreErrors. Not an async function, which would keep the events, large beside their encoded form, until the end.
 */
export function append(
  appending: Appending,
  command: AppendCommand,
  call: CallContext,
): Promise<AppendResult> {
  const bounded = boundedBy(appending, call);
  if (command.events.length === 0) return checkOnly(appending, command, bounded).catch(rethrow);
  const { sizes } = appending.publisher;
  const encode = (): Transaction => toTransaction(sizes, command, call.principal);
  if (command.validateOnly === true) return validated(appending, encode, bounded).then(toResult, rethrow);
  const stored = store(appending, encode, bounded);
  return (command.withCommitTime === true ? timed(appending, stored, bounded) : stored).then(
    toResult,
    rethrow,
  );
}

/** Stores the events of all streams atomically, or nothing; on each stream, one after another with the appends to it. Rejects with StoreErrors. */
export function appendMulti(
  appending: Appending,
  command: AppendMultiCommand,
  call: CallContext,
): Promise<AppendMultiResult> {
  const { sizes } = appending.publisher;
  const encode = (): Transaction => toMultiTransaction(sizes, command, call.principal);
  const run = command.validateOnly === true ? validated : store;
  return run(appending, encode, boundedBy(appending, call)).then(
    ({ position, streams, replayed, commitId }) => ({ position, streams, replayed, commitId }),
    rethrow,
  );
}

/**
 * Stores a control, unless it would change nothing; one after another with the appends to its stream. Rejects with StoreErrors,
 * ReplicaFillingError among them while the view is not ready.
 */
export function control(
  appending: Appending,
  command: ControlCommand,
  call: CallContext,
): Promise<ControlResult> {
  const bounded = boundedBy(appending, call);
  const stored = store(appending, () => toControlTransaction(command, call.principal), bounded);
  return stored
    .then((appended) => describeAfter(appending.describe, command.stream, appended, bounded))
    .catch(rethrow);
}

/** Throws a StoreError instead. Here, since each append has one promise less than if its caller did it. */
function rethrow(error: unknown): never {
  throw toStoreError(error);
}

function boundedBy({ appendTimeoutMs }: Appending, call: CallContext): CallContext {
  return withDeadline(call, Math.min(call.deadlineMs, performance.now() + appendTimeoutMs));
}

function toResult({ streams, position, commitTime, replayed, commitId }: Validated): AppendResult {
  const { version, firstVersion } = streams[0] as StreamAppended;
  return { version, firstVersion, position, commitTime, replayed, commitId };
}

function store(appending: Appending, encode: () => Transaction, call: CallContext): Promise<Appended> {
  let transaction: Transaction;
  try {
    transaction = encode();
  } catch (error) {
    call.orderSlot?.fail();
    const refusal = error as Error;
    return Promise.reject(refusal);
  }
  // Once sent, an append runs to its end even if the caller has gone: the next one needs what it finds out.
  return appending.queues.run(streamsWritten(transaction), transaction.bytes, call, () =>
    decide(appending, transaction, { signal: unattended, deadlineMs: call.deadlineMs, trace: call.trace }),
  );
}

/** Stores nothing. It counts as an append, but waits for no other one. */
async function validated(
  appending: Appending,
  encode: () => Transaction,
  call: CallContext,
): Promise<Validated> {
  const transaction = encode();
  return appending.queues.run([], transaction.bytes, call, () => validate(appending, transaction, call));
}

/** Not an async function: nearly always there is no earlier call to look for. */
function decide(appending: Appending, transaction: Transaction, call: CallContext): Promise<Appended> {
  try {
    const earlier = appending.commits.find(transaction, call);
    if (earlier === undefined) return untilDecided(appending, transaction, call);
    return earlier.then((commits) =>
      commits.length === 0
        ? untilDecided(appending, transaction, call)
        : replay(appending, transaction, commits, { doubted: undefined, call }),
    );
  } catch (error) {
    const refusal = error as Error;
    return Promise.reject(refusal);
  }
}

function timed(appending: Appending, stored: Promise<Appended>, call: CallContext): Promise<Appended> {
  return stored.then((appended) => withTime(appending, appended, call));
}

async function withTime({ commits }: Appending, appended: Appended, call: CallContext): Promise<Appended> {
  if (appended.commitTime !== undefined) return appended;
  const { commitId, position, streams } = appended;
  try {
    return { ...appended, commitTime: unixNanos(await commits.timeOf(commitId, position, call)) };
  } catch (cause) {
    // The error itself would say that nothing was stored.
    throw new OutcomeUnknownError((streams[0] as StreamAppended).stream, commitId, { cause });
  }
}

/** Without events only the check runs. It counts as an append, but waits for no other one. */
async function checkOnly(
  { heads, queues }: Appending,
  { stream, expected }: AppendCommand,
  call: CallContext,
): Promise<AppendResult> {
  const parts = [{ stream, expected }];
  const [head] = await queues.run([], 0, call, async () => {
    const found = await heads.current(parts, call);
    checkVersions(parts, found);
    return found;
  });
  if (head === undefined) throw new Error('a stream has a head');
  return {
    version: head.version,
    position: head.position,
    commitTime: head.version === noVersion ? undefined : unixNanos(head.timeNanos),
    firstVersion: noVersion,
    replayed: false,
    commitId: undefined,
  };
}
