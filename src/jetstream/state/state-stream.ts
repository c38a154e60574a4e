import { StoreRefusedError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { within } from '../log/bounded-call';
import { streamInfo, type StreamConfig, type StreamInfo } from '../nats/api';
import { isRefused, toStoreError } from '../nats/errors';
import { checkStream, disagreements, findOrCreate, lastingStream, StoreOpenError } from '../nats/open-stream';
import type { StateAccess } from './state-access';

/** The name of the stream that keeps the state of a store. */
export function stateStreamOf(store: string): string {
  return `${store}_STATE`;
}

/** The configuration that the stream must have. Other fields, such as `max_bytes`, are up to the operator. */
export function stateConfig({ name, replicas }: StateAccess['stream']): StreamConfig {
  return {
    name,
    description: 'Sluice consumer groups: do not publish here by hand, see docs/storage.md',
    subjects: [`${name}.>`],
    ...lastingStream({ replicas }),
    max_msgs_per_subject: 1,
    discard_new_per_subject: false,
    // What marks a removed record is removed as well.
    allow_msg_ttl: true,
    subject_delete_marker_ttl: 0,
  };
}

/**
 * A stream that is created again must not give a sequence a second time: a gateway could take a new record for the one that it has
 * seen. Microseconds since 1970 are exact as a number, and no stream gets a million messages a second.
 */
function firstSequence(): number {
  return Date.now() * 1_000;
}

/** The stream of the records, which need not exist. */
export class StateStream {
  private isReady = false;
  private wrong: readonly string[] = [];

  constructor(private readonly access: StateAccess) {}

  /** A line for each setting that is wrong, as of the last look, with the name of the stream. */
  get wrongSettings(): readonly string[] {
    return this.wrong.map((line) => `${this.access.stream.name} ${line}`);
  }

  /** Whether the stream exists, with the right settings. Throws StoreErrors, and StoreRefusedError if a setting is wrong. */
  async exists(call: CallContext): Promise<boolean> {
    return this.isReady || (await this.open(false, call));
  }

  /** Creates the stream if it does not exist. Throws the same. */
  async create(call: CallContext): Promise<void> {
    if (!this.isReady) await this.open(true, call);
  }

  /** Call it when NATS does not find the stream. */
  forget(): void {
    this.isReady = false;
  }

  /** Takes note of what the leader says of the stream. */
  note({ config }: StreamInfo): void {
    const { stream, logger } = this.access;
    const wrong = disagreements(config, stateConfig(stream));
    if (wrong.length > 0 && wrong.join() !== this.wrong.join())
      logger.warn({ stream: stream.name, wrong }, 'the stream of the consumer groups has wrong settings');
    this.wrong = wrong;
  }

  private async open(mayCreate: boolean, call: CallContext): Promise<boolean> {
    const { pool, stream, log, limits } = this.access;
    const { timeoutMs } = within(call, limits.requestTimeoutMs);
    // A server that cannot read its files does not find the log either, and creating a stream would delete what it has of it.
    if (mayCreate) await streamInfo(pool.append(), log, undefined, { timeoutMs });
    const opening = { timeoutMs, mayCreate, firstSequence: firstSequence() };
    try {
      const wanted = stateConfig(stream);
      const info = await findOrCreate(pool.append(), wanted, opening);
      this.note(info);
      checkStream(info, wanted);
    } catch (error) {
      if (!(error instanceof StoreOpenError)) throw error;
      if (isRefused(error.cause, 'streamNotFound')) {
        this.wrong = [];
        return false;
      }
      const known = toStoreError(error.cause);
      throw error.cause === undefined || known === error.cause
        ? new StoreRefusedError(error.message, 0, { cause: error })
        : known;
    }
    this.isReady = true;
    return true;
  }
}
