import { setTimeout as sleep } from 'node:timers/promises';
import type { AppendCondition } from '../../store/append-condition';
import {
  AppendConditionError,
  CommitIdReuseError,
  DeadlineExceededError,
  EraseSplitsCommitError,
  OutcomeUnknownError,
  ReplicaFillingError,
  StoreUnavailableError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
  VersionConflictError,
} from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { ViewedCommit } from '../../store/log';
import { during } from '../../store/trace';
import type { Sequence } from '../../store/values';
import { toStoreError } from '../nats/errors';
import type { StoreFeatures } from '../log/store-features';
import type { OutgoingMessage } from '../nats/publish';
import { replay, storedNow, type Appended } from './appended';
import { publishOnCondition } from './condition';
import { checkControl } from './control';
import type { Doubts } from './doubts';
import type { Fence } from './fence';
import { lookUp, type Knowledge } from './look-up';
import { next, untried, type Action, type Base, type Decision, type Event } from './next';
import type { Published, Publisher, Unstored } from './publisher';
import { firstStream, type Transaction } from './transaction';

/** What the decision on an append needs. */
export interface Appender extends Knowledge {
  readonly publisher: Publisher;
  readonly doubts: Doubts;
  readonly features: StoreFeatures;
  readonly fence: Fence;
}

const retryPauseMs = 20;
/** While the store is full, the pause before another attempt that is in doubt. */
const fullPauseMs = 250;

/** Publishes a transaction, and does what `next` says until it is decided. Throws StoreErrors. */
export function untilDecided(
  appender: Appender,
  transaction: Transaction,
  call: CallContext,
): Promise<Appended> {
  return new Undecided(appender, transaction, call).begin();
}

type Outcome = Event<Appended>;
type Lookup = Extract<Action<never>, { kind: 'lookUp' }>;
type Find = Extract<Action<never>, { kind: 'find' }>;

class Undecided {
  constructor(
    private readonly appender: Appender,
    private readonly transaction: Transaction,
    private readonly call: CallContext,
  ) {}

  begin(): Promise<Appended> {
    const base = this.appender.heads.known(this.transaction.parts);
    if (base === undefined || this.transaction.condition !== undefined)
      return this.decide(next<Appended>(untried, { kind: 'begun', base }));
    // Nearly always the first attempt is stored, so that costs no more than it must: `next` would say the same of it.
    const messages = this.messages(base);
    return this.send(messages).then((published) =>
      published.kind === 'stored'
        ? this.stored(base, messages, published.sequence)
        : this.decideAfter(base, messages, published),
    );
  }

  /** The first attempt, on top of a base, is not stored. */
  private async decideAfter(
    base: Base,
    messages: readonly OutgoingMessage[],
    published: Unstored,
  ): Promise<Appended> {
    const { state } = next<Appended>(untried, { kind: 'begun', base });
    return this.decide(next(state, await this.outcomeOf(messages, published)));
  }

  private async decide(first: Decision<Appended>): Promise<Appended> {
    const { doubts } = this.appender;
    let { state, action } = first;
    let wasInDoubt = false;
    for (;;) {
      wasInDoubt ||= state.doubt !== undefined;
      switch (action.kind) {
        case 'acknowledge':
          if (wasInDoubt) doubts.stored++;
          return action.result;
        case 'leave':
          if (wasInDoubt) doubts.notStored++;
          return action.result;
        case 'reject':
          if (wasInDoubt) doubts.notStored++;
          throw action.error;
        case 'expire':
          if (wasInDoubt) doubts.notStored++;
          throw new DeadlineExceededError(
            'the deadline passed before the append was decided; nothing was stored',
          );
        case 'giveUp':
          doubts.unknown++;
          throw this.unknownOutcome(action.cause);
        default:
          ({ state, action } = next(state, await this.carryOut(action)));
      }
    }
  }

  private carryOut(
    action: Extract<Action<Appended>, { kind: 'publish' | 'lookUp' | 'find' }>,
  ): Promise<Outcome> {
    switch (action.kind) {
      case 'publish':
        return this.publish(action.base, action.isRetry);
      case 'lookUp':
        return this.lookUp(action);
      case 'find':
        return this.find(action);
    }
  }

  private async publish(base: Base, isRetry: boolean): Promise<Outcome> {
    const { space } = this.appender.publisher;
    if (isRetry) await sleep(space.closedBy === undefined ? retryPauseMs : fullPauseMs);
    let messages: OutgoingMessage[];
    try {
      await this.needFeatures();
      messages = this.messages(base);
    } catch (error) {
      return { kind: 'unfit', error };
    }
    const { condition } = this.transaction;
    if (condition !== undefined) return this.publishOn(condition, base, messages);
    return this.outcome(base, messages, await this.send(messages));
  }

  private async publishOn(
    condition: AppendCondition,
    base: Base,
    messages: readonly OutgoingMessage[],
  ): Promise<Outcome> {
    const { appender, transaction, call } = this;
    const { fence, view, heads } = appender;
    const send = (sent: readonly OutgoingMessage[]): Promise<Published> => this.send(sent);
    try {
      const about = { transaction, condition, base };
      const attempted = await publishOnCondition({ fence, view, call, messages, send, ...about });
      if ('published' in attempted) return await this.outcome(base, attempted.messages, attempted.published);
      heads.forget(transaction.parts);
      return attempted;
    } catch (error) {
      return obstacle(error);
    }
  }

  private async outcome(
    base: Base,
    messages: readonly OutgoingMessage[],
    published: Published,
  ): Promise<Outcome> {
    return published.kind === 'stored'
      ? { kind: 'stored', result: this.stored(base, messages, published.sequence) }
      : this.outcomeOf(messages, published);
  }

  private async needFeatures(): Promise<void> {
    const { parts, request } = this.transaction;
    const { features } = this.appender;
    if (request === 'control') await features.need('controls', this.call);
    if (parts[0]?.control?.kind === 'erase') await features.needRemovals(this.call);
  }

  private messages(base: Base): OutgoingMessage[] {
    return this.appender.publisher.messagesOf(this.transaction, base);
  }

  private send(messages: readonly OutgoingMessage[]): Promise<Published> {
    const { publisher, fence } = this.appender;
    const { trace, deadlineMs } = this.call;
    // Those that have their turn hold the others back.
    const pass = this.transaction.condition === undefined ? fence.pass : undefined;
    const publish = (): Promise<Published> => publisher.publish(messages, deadlineMs);
    const published = pass === undefined ? publish() : pass.then(publish);
    if (trace === undefined) return published;
    return during(trace, 'publish', published, (outcome) => publisher.notesOf(messages, outcome));
  }

  private stored(base: Base, messages: readonly OutgoingMessage[], sequence: Sequence): Appended {
    return storedNow(this.appender, this.transaction, base, { sequence, messages });
  }

  private outcomeOf(messages: readonly OutgoingMessage[], published: Unstored): Promise<Outcome> {
    const { heads, publisher } = this.appender;
    heads.forget(this.transaction.parts);
    return publisher.explain(published, messages.length > 1);
  }

  private lookUp(lookup: Lookup): Promise<Outcome> {
    const looking = this.lookedUp(lookup);
    const { trace } = this.call;
    return trace === undefined ? looking : during(trace, 'look up', looking);
  }

  private async lookedUp({ doubted, isRetry }: Lookup): Promise<Outcome> {
    if (isRetry) await sleep(retryPauseMs);
    if (performance.now() >= this.call.deadlineMs) return { kind: 'late' };
    const { appender, transaction, call } = this;
    try {
      const { commits, heads } = await lookUp(appender, transaction, doubted, call);
      if (commits.length > 0) return { kind: 'found', result: await this.replay(commits, doubted) };
      const unneeded =
        transaction.request === 'control'
          ? checkControl(transaction, heads, appender.commits.view)
          : undefined;
      return unneeded === undefined
        ? { kind: 'unstored', base: heads }
        : { kind: 'unneeded', result: unneeded };
    } catch (error) {
      return obstacle(error);
    }
  }

  private async find({ sequence, doubted }: Find): Promise<Outcome> {
    const { appender, transaction, call } = this;
    try {
      const commits = await appender.commits.findRemembered(transaction, sequence, call);
      if (commits.length === 0) return { kind: 'forgotten' };
      return { kind: 'found', result: await this.replay(commits, doubted) };
    } catch (error) {
      return obstacle(error);
    }
  }

  private replay(commits: readonly ViewedCommit[], doubted: Base | undefined): Promise<Appended> {
    return replay(this.appender, this.transaction, commits, { doubted, call: this.call });
  }

  private unknownOutcome(cause: unknown): OutcomeUnknownError {
    return new OutcomeUnknownError(firstStream(this.transaction), this.transaction.commitId, { cause });
  }
}

/** Errors by which the streams, as they are, rule out a transaction. */
const refusals = [
  VersionConflictError,
  AppendConditionError,
  CommitIdReuseError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
  EraseSplitsCommitError,
];

function isRefusal(error: unknown): error is Error {
  return refusals.some((kind) => error instanceof kind);
}

/** What it means for the append that a lookup has failed. */
function obstacle(error: unknown): Extract<Outcome, { kind: 'ruledOut' | 'away' | 'failed' }> {
  if (isRefusal(error)) return { kind: 'ruledOut', error };
  const known = toStoreError(error);
  const isAway = known instanceof StoreUnavailableError || known instanceof ReplicaFillingError;
  return { kind: isAway ? 'away' : 'failed', error };
}
