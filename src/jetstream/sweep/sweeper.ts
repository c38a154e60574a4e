import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { NotPermittedError, StoreUnavailableError } from '../../store/errors';
import type { CallContext, EventStore } from '../../store/event-store';
import type { RemovalFacts, RemovalReport } from '../../store/store-facts';
import type { ControlPlace, SweepView } from '../../store/sweep-view';
import type { Erasure } from '../../store/stream-rules';
import type { Sequence, StreamName } from '../../store/values';
import { within } from '../log/bounded-call';
import { readCount, type ReadCount } from '../log/removed-count';
import { streamInfo, type StreamInfo } from '../nats/api';
import { toStoreError } from '../nats/errors';
import { isImmutable } from '../nats/open-stream';
import { controlAt, messagesOfCommit, planErase, planPurge, type Plan } from './plan';
import { finishPending, remove, RemovalContestedError, type Removing } from './remove';

export interface SweeperOptions extends Removing {
  readonly view: SweepView;
  readonly logger: Logger;
  readonly control: EventStore['control'];
  readonly report: RemovalReport;
}

/** Removes from the log what nobody can read any more, until it is closed. */
export interface Sweeper {
  readonly facts: RemovalFacts;
  /** Resolves when nothing is being removed. */
  close(): Promise<void>;
}

/** Messages, and streams, that are removed together. */
const batchMessagesMax = 1_000;
const batchPlansMax = 256;
/** Erased messages that are removed together: their stubs are in memory. */
const erasedBatchMax = 64;
const controlsAtOnce = 256;
const namesAtOnce = 100;
/** Another gateway that has not gone on for this time is taken for dead. */
const deadMs = 10_000;
const firstMs = 1_000;

export function startSweeper(options: SweeperOptions): Sweeper {
  const sweep = new Sweep(options);
  const stop = new AbortController();
  const running = sweep.run(stop.signal);
  return {
    get facts() {
      return sweep.facts;
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}

class Sweep {
  private readonly counts = { messages: 0, bytes: 0, failures: 0 };
  private waiting = 0;
  /** What the controls up to here ask for is removed. */
  private sweptUpTo = 0n;
  /** The count with a removal under way that another gateway has begun, and when that was seen first. */
  private foreign: { readonly revision: Sequence; readonly sinceMs: number } | undefined;

  constructor(private readonly options: SweeperOptions) {
    // The log may have gone back, and controls with it.
    options.log.health.onDoubt(() => {
      this.sweptUpTo = 0n;
    });
  }

  get facts(): RemovalFacts {
    return { ...this.counts, waiting: this.waiting, trouble: this.options.report.trouble };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { sweepIntervalMs } = this.options.log.limits;
    if (sweepIntervalMs === 0) return;
    const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined);
    await pause(Math.min(firstMs, sweepIntervalMs));
    while (!signal.aborted) {
      await this.once(signal);
      await pause(sweepIntervalMs);
    }
  }

  private async once(signal: AbortSignal): Promise<void> {
    const { log, view, logger, report } = this.options;
    try {
      if (!view.isReady) return;
      const call = { signal, deadlineMs: Infinity };
      const options = within(call, log.limits.requestTimeoutMs);
      const info = await streamInfo(log.pool.read(), log.stream.name, undefined, options);
      if (!isImmutable(info.config)) {
        if (this.isNeeded) checkServers(info);
        await this.sweep(call);
      }
      report.trouble = '';
    } catch (error) {
      if (signal.aborted || error instanceof RemovalContestedError) return;
      this.counts.failures++;
      const known = toStoreError(error);
      const { message } = known as Error;
      // Once: it comes again with each sweep.
      if (message !== report.trouble)
        logger[known instanceof NotPermittedError ? 'error' : 'warn'](
          { err: known },
          'what is hidden or erased cannot be removed from the log',
        );
      report.trouble = message;
    }
  }

  private async sweep(call: CallContext): Promise<void> {
    await this.settleRetentions(call);
    if (!this.isNeeded) return;
    const count = await this.takeOver(call);
    if (count === undefined) return;
    if (count.sweptUpTo > this.sweptUpTo) this.sweptUpTo = count.sweptUpTo;
    let latest = count;
    for (let isWhole = false; !isWhole && !call.signal.aborted;) {
      const batch = await this.nextBatch(call);
      this.waiting = batch.plans.length;
      if (batch.plans.length > 0) latest = await this.remove(latest, batch, call);
      this.sweptUpTo = batch.sweptUpTo;
      ({ isWhole } = batch);
    }
    this.waiting = 0;
  }

  private get isNeeded(): boolean {
    return this.foreign !== undefined || this.options.view.controlsAfter(this.sweptUpTo, 1).length > 0;
  }

  /** The count, once no other gateway removes messages; undefined: one does. */
  private async takeOver(call: CallContext): Promise<ReadCount | undefined> {
    const count = await readCount(this.options.log, call);
    const { revision, pending } = count;
    if (pending.length === 0) {
      this.foreign = undefined;
      return count;
    }
    if (this.foreign?.revision !== revision) this.foreign = { revision, sinceMs: performance.now() };
    const left = deadMs - (performance.now() - this.foreign.sinceMs);
    if (left > 0) await sleep(left, undefined, { signal: call.signal });
    const now = await readCount(this.options.log, call);
    if (now.revision !== revision) return undefined;
    this.options.logger.info('finishing a removal of messages that was interrupted');
    const finished = await finishPending(this.options, now, call);
    this.foreign = undefined;
    return finished;
  }

  private async remove(count: ReadCount, batch: Batch, call: CallContext): Promise<ReadCount> {
    const beganMs = performance.now();
    const next = await remove(this.options, count, batch.plans, { sweptUpTo: batch.sweptUpTo, call });
    const messages = batch.plans.flatMap((plan) => plan.messages);
    this.counts.messages += messages.length;
    for (const { bytes } of messages) this.counts.bytes += bytes;
    const dueMs = (messages.length / this.options.log.limits.sweepMessagesPerSecondMax) * 1_000;
    await sleep(Math.max(0, dueMs - (performance.now() - beganMs)), undefined, { signal: call.signal });
    return next;
  }

  /** What the next controls ask for, as much as is removed together. */
  private async nextBatch(call: CallContext): Promise<Batch> {
    const { view } = this.options;
    const plans: Plan[] = [];
    let [sweptUpTo, messages] = [this.sweptUpTo, 0];
    const controls = view.controlsAfter(sweptUpTo, controlsAtOnce);
    for (const control of controls) {
      const found = await this.plansOf(control, batchMessagesMax - messages, call);
      for (const plan of found) {
        if (plan.messages.length > 0) plans.push(plan);
        messages += plan.messages.length;
      }
      const isDone = found.every(({ isWhole }) => isWhole);
      if (!isDone) return { plans, sweptUpTo, isWhole: false };
      sweptUpTo = control.position;
      if (messages >= batchMessagesMax || plans.length >= batchPlansMax)
        return { plans, sweptUpTo, isWhole: false };
    }
    return { plans, sweptUpTo, isWhole: controls.length < controlsAtOnce };
  }

  private async plansOf(
    { stream, position }: ControlPlace,
    max: number,
    call: CallContext,
  ): Promise<readonly Plan[]> {
    const { log, view, logger } = this.options;
    const control = await controlAt(log, stream, position, call);
    if (control === undefined) return [];
    const plans: Plan[] = [];
    if (control.control.kind === 'erase') plans.push(await this.planOfErasure(stream, control.control, call));
    // A later control hides at least as much.
    if (view.newestControl(stream) === position) plans.push(await planPurge(log, control, max, call));
    const { version } = control;
    if (plans.every(({ messages }) => messages.length === 0) || view.hadVersion(stream, version, position))
      return plans;
    // Gateways do not write such a control, and it may hide what nobody has asked it to hide.
    logger.warn(
      { stream, position, version },
      'nothing is removed for a control whose version its stream never had',
    );
    return [];
  }

  private async planOfErasure(
    stream: string,
    { fromVersion, toVersion }: Erasure,
    call: CallContext,
  ): Promise<Plan> {
    const { log, view } = this.options;
    const sequences: Sequence[] = [];
    for (const last of view.commitsOf(stream, fromVersion, toVersion))
      sequences.push(...(await messagesOfCommit(log, stream, last, call)));
    const now = sequences.slice(0, erasedBatchMax);
    const isWhole = now.length === sequences.length;
    const removal = { kind: 'erase', sequences: now } as const;
    return { removal, messages: await planErase(log, now, call), isWhole };
  }

  /** Truncates what retention has hidden: only what a control hides for ever is removed. */
  private async settleRetentions(call: CallContext): Promise<void> {
    const { view, control } = this.options;
    for (let name: string | undefined = ''; name !== undefined && !call.signal.aborted;) {
      const { streams, last } = view.truncatable(name, namesAtOnce);
      for (const { stream, before } of streams)
        await control(
          {
            stream: stream as StreamName,
            control: { kind: 'truncate', before },
            expected: undefined,
            commitId: undefined,
          },
          call,
        );
      name = last;
      await setImmediate();
    }
  }
}

/**
 * Throws StoreUnavailableError if a server of the log is away or behind: it would learn of a removal by a snapshot, and would keep the
 * bytes of the messages on its disk.
 */
function checkServers({ cluster }: StreamInfo): void {
  const away = cluster?.replicas?.filter(({ current, offline }) => offline === true || !current) ?? [];
  if (away.length === 0) return;
  const names = away.map(({ name }) => name).join(', ');
  throw new StoreUnavailableError(
    `removal waits until all servers of the log are current, and these are not: ${names}`,
  );
}

interface Batch {
  readonly plans: readonly Plan[];
  /** What the controls up to here ask for is removed with these plans. */
  readonly sweptUpTo: bigint;
  /** Whether no control is left. */
  readonly isWhole: boolean;
}
