import type { Logger } from 'pino';
import { UnreadableCommitError } from '../../store/errors';
import type { LogFaults } from '../../store/log';
import type { UnreadableMessage } from '../../store/store-info';
import { position } from '../../store/values';
import { leaderOf, type StreamInfo } from '../nats/api';

/**
 * What a gateway knows to be wrong with its log. Nothing is ever deleted from it, so that it has as many messages as its last
 * sequence says: with fewer of them, streams may have lost their end, and to go on with version 1 would be a lie.
 */
export class LogHealth implements LogFaults {
  private lost = 0n;
  private isKnown = false;
  private first = 1n;
  private isKeptBy: string | undefined;
  private endSeen = 0n;
  private doubtCount = 0;
  private readonly doubtListeners: (() => void)[] = [];
  private readonly mirrorNames = new Set<string>();
  private readonly met = new Map<bigint, UnreadableMessage>();

  constructor(
    private readonly logger: Logger,
    /** So many messages may be lost: an operator has looked into it. */
    readonly acceptedLoss: bigint,
    private readonly unreadableMax: number,
  ) {}

  get lostMessages(): bigint {
    return this.lost;
  }

  /** The log was set to begin after this sequence. */
  get before(): bigint {
    return this.first - 1n;
  }

  /** Whether messages are lost that nobody has accepted to be. */
  get isIncomplete(): boolean {
    return this.lost > this.acceptedLoss;
  }

  /** Whether that was looked at since NATS was last away: a server may come back with less than it had. */
  get isCurrent(): boolean {
    return this.isKnown;
  }

  /** The largest last sequence that was seen, unless the log has gone back since. */
  get end(): bigint {
    return this.endSeen;
  }

  /** So often it was in doubt whether the log is what it was. */
  get doubts(): number {
    return this.doubtCount;
  }

  /**
   * Told when what is known of the log must be forgotten, since positions may be given a second time, to other commits: a server
   * that comes back, and another leader, may have an earlier state of it.
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

  /** What the leader of the log says of it, and what `end` was before it was asked. */
  noteInfo(info: StreamInfo, endBefore = 0n): void {
    this.compare(info, endBefore);
    this.countLost(info);
  }

  private compare(info: StreamInfo, endBefore: bigint): void {
    const end = BigInt(info.state.last_seq);
    const leader = leaderOf(info);
    const isBack = end < endBefore;
    if (isBack) {
      const facts = { end: end.toString(), before: endBefore.toString() };
      this.logger.error(facts, 'the log has gone back to an earlier state: see docs/storage.md');
    }
    if (isBack || (this.isKeptBy !== undefined && this.isKeptBy !== leader)) this.doubt();
    this.isKeptBy = leader;
    if (isBack || end > this.endSeen) this.endSeen = end;
  }

  private countLost({ config, state }: StreamInfo): void {
    const lost = lostMessages({ config, state });
    this.first = firstSequence(config);
    this.isKnown = true;
    if (lost === this.lost) return;
    this.lost = lost;
    const facts = { lost: lost.toString(), accepted: this.acceptedLoss.toString(), first: state.first_seq };
    if (this.isIncomplete) this.logger.error(facts, 'messages of the log are gone: see docs/storage.md');
  }

  /** The error for a stream without messages in a log that has lost some; undefined: it is known to be empty. */
  errorOfEmptyStream(stream: string): UnreadableCommitError | undefined {
    if (!this.isIncomplete) return undefined;
    const reason = `the log has lost ${this.lost.toString()} messages`;
    const message = `stream ${stream} has no messages, and whether it had any is not known: ${reason}`;
    return new UnreadableCommitError(stream, position(0n), reason, message);
  }

  /** The error for what cannot be complete in a log that has lost messages. */
  incompleteError(): UnreadableCommitError {
    const reason = `the log has lost ${this.lost.toString()} messages`;
    const wayOn = 'to have what is left, set skip_unreadable';
    return new UnreadableCommitError(
      '',
      position(0n),
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

  /** All mirrors that there are now. */
  setMirrors(names: readonly string[]): void {
    for (const name of this.mirrorNames) if (!names.includes(name)) this.mirrorNames.delete(name);
    for (const name of names) this.noteMirror(name);
  }

  /** What was met since the start, by position; not more than a bound. */
  get unreadable(): readonly UnreadableMessage[] {
    return [...this.met.values()].sort((a, b) => (a.position < b.position ? -1 : 1));
  }

  noteUnreadable({ stream, position: at, reason }: UnreadableCommitError): void {
    if (at === 0n || this.met.has(at) || this.met.size >= this.unreadableMax) return;
    this.met.set(at, { stream, position: at, reason });
    this.logger.error({ stream, position: at.toString(), reason }, 'a message of the log is not a commit');
  }
}

/** Messages that a log must have by its last sequence and does not have. */
export function lostMessages({ config, state }: Pick<StreamInfo, 'config' | 'state'>): bigint {
  const lost = BigInt(state.last_seq) - (firstSequence(config) - 1n) - BigInt(state.messages);
  return lost > 0n ? lost : 0n;
}

function firstSequence(config: StreamInfo['config']): bigint {
  return BigInt(Number(config['first_seq'] ?? 0) || 1);
}
