import { toSequence } from '../nats/message';
import type { Logger } from 'pino';
import { UnreadableCommitError } from '../../store/errors';
import type { LogFaults } from '../../store/log';
import type { UnreadableMessage } from '../../store/store-info';
import { beginning, sequenceAfter, type Position, type Sequence } from '../../store/values';
import { leaderOf, type StreamInfo } from '../nats/api';
import { storeIdOf } from '../nats/open-stream';

/**
 * The faults of the log that this gateway knows. With what was removed on purpose, a log has as many messages as its last sequence
 * says. With fewer messages, any stream may have lost its end, and must not begin at version 1 again.
 */
export class LogHealth implements LogFaults {
  private lost = 0n;
  private id = '';
  private isKnown = false;
  private isAlone = false;
  private first: Sequence = sequenceAfter(beginning, 1n);
  private isKeptBy: string | undefined;
  private endSeen: Sequence = beginning;
  private doubtCount = 0;
  /** How often the log was found at an earlier state. */
  timesGoneBack = 0;
  private readonly doubtListeners: (() => void)[] = [];
  private readonly mirrorNames = new Set<string>();
  private readonly met = new Map<Position, UnreadableMessage>();

  constructor(
    private readonly logger: Logger,
    /** How many lost messages an operator has accepted. */
    readonly acceptedLoss: bigint,
    private readonly unreadableMax: number,
  ) {}

  get lostMessages(): bigint {
    return this.lost;
  }

  /** The log is configured to begin after this sequence. */
  get before(): Sequence {
    return sequenceAfter(this.first, -1n);
  }

  /** Whether more messages are lost than an operator has accepted. */
  get isIncomplete(): boolean {
    return this.lost > this.acceptedLoss;
  }

  /** Whether that was checked since NATS was last away: a server may come back with less than it had. */
  get isCurrent(): boolean {
    return this.isKnown;
  }

  /** Whether its server is in no cluster, so that the log cannot get replicas while that runs; false while it is not known. */
  get isUnclustered(): boolean {
    return this.isKnown && this.isAlone;
  }

  /** The largest last sequence that was observed, unless the log has gone back since. */
  get end(): Sequence {
    return this.endSeen;
  }

  /** The id of the store, as of the latest answer of the leader; "": the store has no id. */
  get storeId(): string {
    return this.id;
  }

  /** How often the state of the log was put in doubt. */
  get doubts(): number {
    return this.doubtCount;
  }

  /**
   * Calls the listener when everything that is known of the log must be forgotten: a server that comes back, or another leader, may
   * have an earlier state of it, and then positions are given again, to other commits.
   */
  onDoubt(listener: () => void): void {
    this.doubtListeners.push(listener);
  }

  /** NATS is away, or was. */
  doubt(): void {
    this.isKnown = false;
    this.doubtCount++;
    for (const listener of this.doubtListeners) listener();
  }

  /** Takes note of what the leader says of the log, and of how many messages are lost. `endBefore`: `end` before the request. */
  noteInfo(info: StreamInfo, lost: bigint, endBefore: Sequence = beginning): void {
    this.id = storeIdOf(info.config);
    this.compare(info, endBefore);
    this.noteLost(info, lost);
  }

  private compare(info: StreamInfo, endBefore: Sequence): void {
    const end = toSequence(info.state.last_seq);
    const leader = leaderOf(info);
    const isBack = end < endBefore;
    if (isBack) {
      this.timesGoneBack++;
      const facts = { end: end.toString(), before: endBefore.toString() };
      this.logger.error(facts, 'the log has gone back to an earlier state: see docs/storage.md');
    }
    if (isBack || (this.isKeptBy !== undefined && this.isKeptBy !== leader)) this.doubt();
    this.isKeptBy = leader;
    if (isBack || end > this.endSeen) this.endSeen = end;
  }

  private noteLost({ config, state, cluster }: StreamInfo, lost: bigint): void {
    this.first = firstSequence(config);
    this.isKnown = true;
    this.isAlone = cluster !== undefined && (cluster.name ?? '') === '';
    if (lost === this.lost) return;
    this.lost = lost;
    const facts = { lost: lost.toString(), accepted: this.acceptedLoss.toString(), first: state.first_seq };
    if (this.isIncomplete) this.logger.error(facts, 'messages of the log are gone: see docs/storage.md');
  }

  /** The error for a stream without messages if the log is incomplete; undefined: the stream is empty. */
  errorOfEmptyStream(stream: string): UnreadableCommitError | undefined {
    if (!this.isIncomplete) return undefined;
    const reason = `the log has lost ${this.lost.toString()} messages`;
    const message = `stream ${stream} has no messages, and whether it had any is not known: ${reason}`;
    return new UnreadableCommitError(stream, beginning, reason, message);
  }

  /** The error for a result that may miss lost messages. */
  incompleteError(): UnreadableCommitError {
    const reason = `the log has lost ${this.lost.toString()} messages`;
    const wayOn = 'to have what is left, set skip_unreadable';
    return new UnreadableCommitError(
      '',
      beginning,
      reason,
      `${reason}, some of which may be asked for; ${wayOn}`,
    );
  }

  get mirrors(): readonly string[] {
    return [...this.mirrorNames].sort();
  }

  noteMirror(name: string): void {
    if (this.mirrorNames.has(name)) return;
    this.mirrorNames.add(name);
    this.logger.error({ mirror: name }, 'a stream mirrors the log and answers in its place: remove it');
  }

  /** Replaces the list of mirrors. */
  setMirrors(names: readonly string[]): void {
    for (const name of this.mirrorNames) if (!names.includes(name)) this.mirrorNames.delete(name);
    for (const name of names) this.noteMirror(name);
  }

  /** How many unreadable messages were found since the start, up to a bound. */
  get unreadableCount(): number {
    return this.met.size;
  }

  /** These messages, by position. */
  get unreadable(): readonly UnreadableMessage[] {
    return [...this.met.values()].sort((a, b) => (a.position < b.position ? -1 : 1));
  }

  noteUnreadable({ stream, position: at, reason }: UnreadableCommitError): void {
    if (at === beginning || this.met.has(at) || this.met.size >= this.unreadableMax) return;
    this.met.set(at, { stream, position: at, reason });
    this.logger.error({ stream, position: at.toString(), reason }, 'a message of the log is not a commit');
  }
}

function firstSequence(config: StreamInfo['config']): Sequence {
  return toSequence(Number(config['first_seq'] ?? 0) || 1);
}
