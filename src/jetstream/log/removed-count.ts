import type { CallContext } from '../../store/event-store';
import { StoreUnavailableError } from '../../store/errors';
import type { Sequence } from '../../store/values';
import type { StreamInfo } from '../nats/api';
import { hasFeature } from '../nats/features';
import { decodeCount, noRemovals, type RemovalCount } from './removal-codec';
import { countSubject } from './removal-subjects';
import { newestOn, readable, type RecordsAccess } from './removed-messages';

/** The record that counts removed messages, and the sequence by which it is changed; 0n: there is no such record. */
export interface ReadCount extends RemovalCount {
  readonly revision: Sequence;
}

/** As the leader of the log has it. */
export async function readCount(log: RecordsAccess, call: CallContext): Promise<ReadCount> {
  const record = await newestOn(log, countSubject(log), call);
  if (record === undefined) return { ...noRemovals, revision: 0n as Sequence };
  const count = await readable(() => decodeCount(record.body));
  return { ...count, revision: record.sequence };
}

/** How many messages a log should have according to its last sequence, and does not have, for whatever reason. */
export function missingMessages({ config, state }: Pick<StreamInfo, 'config' | 'state'>): bigint {
  const first = BigInt(Number(config['first_seq'] ?? 0) || 1);
  const missing = BigInt(state.last_seq) - (first - 1n) - BigInt(state.messages);
  return missing > 0n ? missing : 0n;
}

const attemptsMax = 20;

/** Counts the messages that are lost: those that are missing, and were not removed on purpose. */
export class LostCount {
  /** For a number of missing messages, how many of them are lost. */
  private known = { missing: 0n, lost: 0n };

  constructor(private readonly log: RecordsAccess) {}

  /** The log may have gone back. */
  forget(): void {
    this.known = { missing: 0n, lost: 0n };
  }

  /**
   * How many messages are lost, according to the leader. While messages are being removed, only bounds are known: then it stays what
   * it was, or goes to the nearest bound. `ask` gets the state of the log again, which is returned as well.
   */
  async of(
    info: StreamInfo,
    ask: () => Promise<StreamInfo>,
    call: CallContext,
  ): Promise<{ readonly info: StreamInfo; readonly lost: bigint }> {
    const missing = missingMessages(info);
    if (!hasFeature(info.config, 'removals') || missing === this.known.missing)
      return { info, lost: missing === this.known.missing ? this.known.lost : this.note(missing, missing) };
    let before = await readCount(this.log, call);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const now = await ask();
      const after = await readCount(this.log, call);
      // Only then is what is missing what was counted.
      if (after.revision === before.revision)
        return { info: now, lost: this.judge(missingMessages(now), after) };
      before = after;
    }
    throw new StoreUnavailableError('messages of the log are being removed too fast to count what is lost');
  }

  private judge(missing: bigint, { removed, pendingMessages }: RemovalCount): bigint {
    const most = atLeastNone(missing - removed);
    const least = atLeastNone(missing - removed - pendingMessages);
    if (most === least) return this.note(missing, most);
    const { lost } = this.known;
    const within = lost < least ? least : lost > most ? most : lost;
    // Until the removal is over, the number is asked for each time.
    this.known = { missing: -1n, lost: within };
    return within;
  }

  private note(missing: bigint, lost: bigint): bigint {
    this.known = { missing, lost };
    return lost;
  }
}

function atLeastNone(count: bigint): bigint {
  return count > 0n ? count : 0n;
}
