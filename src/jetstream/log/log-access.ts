import type { StreamName } from '../../store/values';
import type { LogHealth } from './log-health';
import { LostCount } from './removed-count';
import { RemovedMessages, type RecordsAccess } from './removed-messages';

/** The log: how to reach it, and what this gateway knows of its state. */
export interface LogAccess extends RecordsAccess {
  readonly health: LogHealth;
  /** Why messages are missing. */
  readonly removed: RemovedMessages;
  /** How many of them are lost. */
  readonly lost: LostCount;
}

export function logAccess(log: RecordsAccess, health: LogHealth): LogAccess {
  const access = { ...log, health, removed: new RemovedMessages(log), lost: new LostCount(log) };
  health.onDoubt(() => {
    access.removed.forget();
    access.lost.forget();
  });
  return access;
}

export function subjectOf({ prefix }: Pick<LogAccess, 'prefix'>, stream: StreamName): string {
  return `${prefix}.${stream}`;
}

/** The name of the stream to which a subject of the log belongs; of a foreign message, whatever is in its place. */
export function nameOf({ prefix }: Pick<LogAccess, 'prefix'>, subject: string): string {
  return subject.slice(prefix.length + 1);
}
