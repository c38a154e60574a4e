import type { Limits } from '../../limits';
import type { StreamName } from '../../store/values';
import type { StreamApi } from '../nats/api';
import type { NatsPool } from '../nats/pool';
import type { LogHealth } from './log-health';

/** The log: how to reach it, and what this gateway knows of its state. */
export interface LogAccess {
  readonly pool: NatsPool;
  /** The JetStream stream that is the log. */
  readonly stream: StreamApi;
  /** The first token of its subjects. */
  readonly prefix: string;
  readonly limits: Limits;
  readonly health: LogHealth;
}

export function subjectOf({ prefix }: Pick<LogAccess, 'prefix'>, stream: StreamName): string {
  return `${prefix}.${stream}`;
}

/** The name of the stream to which a subject of the log belongs; of a foreign message, whatever is in its place. */
export function nameOf({ prefix }: Pick<LogAccess, 'prefix'>, subject: string): string {
  return subject.slice(prefix.length + 1);
}
