import { setTimeout as sleep } from 'node:timers/promises';
import { NotPermittedError, StoreRefusedError, StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { StateChangedError } from '../../store/state-store';
import { beginning, type Sequence } from '../../store/values';
import { within } from '../log/bounded-call';
import { apiGet } from '../nats/api';
import { JetStreamApiError, NoRespondersError, isRefused, toStoreError } from '../nats/errors';
import { sentHeader, type SentHeaders } from '../nats/headers';
import type { StoredMessage } from '../nats/message';
import { publishAtomically, type Outcome } from '../nats/publish';
import { uniqueName } from '../nats/unique-names';
import { subjectOf, writeIn, type StateAccess } from './state-access';
import type { StateStream } from './state-stream';

/** A change of a record. */
export interface Change {
  readonly key: string;
  /** Empty: removes the record. */
  readonly value: Uint8Array;
  /** What the record must be at; 0n: there is no record. */
  readonly revision: bigint;
}

const attemptTimeoutMs = 2_000;
/** Without a leader no server takes a message. */
const absenceMaxMs = 250;
const pauseMs = 20;
/** Another attempt in less time would only fail for that, and hide why the others have failed. */
const attemptMinMs = 100;
const headersBytesMax = 1_024;

/** The most bytes that the value of a record may have; Infinity: a server has yet to say it. */
export function valueBytesMax({ pool }: Pick<StateAccess, 'pool'>): number {
  const { maxPayloadBytes } = pool.append();
  return maxPayloadBytes > 0 ? Math.max(0, maxPayloadBytes - headersBytesMax) : Infinity;
}

/** Views that are away for longer begin again with all records. */
const tombstoneLife = '5m';

/** Changes a record. Resolves with its new revision. Throws StateChangedError and StoreErrors, see `StateStore.put`. */
export async function writeRecord(
  access: StateAccess,
  state: StateStream,
  change: Change,
  call: CallContext,
): Promise<bigint> {
  return new Write(access, state, change, call).run();
}

/** What is to be done after an attempt: it is over, or another attempt follows. */
type Next = { readonly stored: Sequence } | 'again';

class Write {
  private readonly id = uniqueName();
  private readonly giveUpMs: number;
  private readonly call: CallContext;
  /** The sequence that the last message on the subject must have. */
  private expected: bigint;
  /** Whether an attempt may be stored. */
  private inDoubt = false;
  private cause: unknown;

  constructor(
    private readonly access: StateAccess,
    private readonly state: StateStream,
    private readonly change: Change,
    call: CallContext,
  ) {
    this.expected = change.revision;
    this.giveUpMs = Math.min(call.deadlineMs, performance.now() + access.limits.requestTimeoutMs);
    this.call = { signal: call.signal, deadlineMs: this.giveUpMs };
  }

  async run(): Promise<bigint> {
    for (;;) {
      const next = await this.attempt();
      if (next !== 'again') return next.stored;
      if (performance.now() + pauseMs + attemptMinMs > this.giveUpMs) throw this.undecided();
      await sleep(pauseMs);
      this.call.signal.throwIfAborted();
    }
  }

  private async attempt(): Promise<Next> {
    try {
      await this.ensureStream();
      return await this.takeOutcome(await this.publish());
    } catch (error) {
      const known = toStoreError(error);
      if (!(known instanceof StoreUnavailableError)) throw known;
      this.cause = known;
      return 'again';
    }
  }

  private async ensureStream(): Promise<void> {
    const { state, change, call } = this;
    if (change.revision === 0n) await state.create(call);
    else if (!(await state.exists(call))) throw this.changed();
  }

  private publish(): Promise<Outcome> {
    const { access, change, call, expected, id } = this;
    const { key, value } = change;
    const headers: SentHeaders = {
      [sentHeader.previous]: expected.toString(),
      [sentHeader.write]: id,
      ...(value.length === 0 ? { [sentHeader.timeToLive]: tombstoneLife } : {}),
    };
    const link = access.pool.append();
    const { timeoutMs } = within(call, attemptTimeoutMs);
    const message = { subject: subjectOf(access, key), headers, body: value };
    if (value.length > valueBytesMax(access))
      throw refused(`the record ${key} has ${value.length} bytes, and NATS takes ${link.maxPayloadBytes}`);
    return publishAtomically(link, [message], { timeoutMs, absenceMaxMs });
  }

  private async takeOutcome(outcome: Outcome): Promise<Next> {
    switch (outcome.kind) {
      case 'stored':
        return { stored: outcome.sequence };
      case 'duplicate':
      case 'conflict':
        return this.takeConflict(await this.newest());
      case 'lost':
        this.inDoubt = true;
        return this.takeLoss(outcome.cause);
      case 'failed':
        return this.takeRefusal(outcome.cause);
    }
  }

  private takeLoss(cause: unknown): Next {
    const known = toStoreError(cause);
    if (known instanceof NotPermittedError) throw known;
    this.cause = known;
    return 'again';
  }

  /** The record has been changed, perhaps by an earlier attempt of this write; or a change of it is about to be stored. */
  private takeConflict(newest: StoredMessage | undefined): Next {
    if (newest !== undefined && writeIn(newest) === this.id) return { stored: newest.sequence };
    const sequence = newest?.sequence ?? beginning;
    if (sequence === this.expected) return 'again';
    const isThere = newest !== undefined && newest.body.length > 0;
    // What an earlier attempt stored may have been removed since: it must not be stored a second time.
    if (this.inDoubt || isThere || this.change.revision !== 0n) throw this.changed();
    this.expected = sequence;
    return 'again';
  }

  private takeRefusal(cause: unknown): Next {
    // Without the stream nothing serves its subjects.
    if (cause instanceof NoRespondersError) this.state.forget();
    const known = toStoreError(cause);
    if (known !== cause || !(cause instanceof Error)) throw known;
    throw refused(`NATS refused to store ${this.change.key}: ${cause.message}`, cause);
  }

  private async newest(): Promise<StoredMessage | undefined> {
    const { access, change, call } = this;
    return newestMessage(access, change.key, call);
  }

  private changed(): StateChangedError {
    const { key, revision } = this.change;
    return new StateChangedError(`the record ${key} is no longer at revision ${revision.toString()}`);
  }

  private undecided(): Error {
    const { cause, change } = this;
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    return new StoreUnavailableError(`it is not known whether ${change.key} was changed${why}`, { cause });
  }
}

function refused(message: string, cause?: Error): StoreRefusedError {
  const number = cause instanceof JetStreamApiError ? cause.number : 0;
  return new StoreRefusedError(message, number, { cause });
}

/** The last message of a record as the leader has it; undefined: there never was one, or it is gone. */
export async function newestMessage(
  { pool, stream, limits }: StateAccess,
  key: string,
  call: CallContext,
): Promise<StoredMessage | undefined> {
  const lookup = { last_by_subj: subjectOf({ stream }, key) };
  try {
    return await apiGet(pool.append(), stream, lookup, within(call, limits.requestTimeoutMs));
  } catch (error) {
    if (isRefused(error, 'streamNotFound')) return undefined;
    throw error;
  }
}
