import { RecentMap } from '../../collections/recent-map';
import type { CallContext } from '../../store/event-store';
import { isAsExpected, type Expectation } from '../../store/expectation';
import type { LogView } from '../../store/log';
import { noVersion, beginning, type StreamName } from '../../store/values';
import { currentHead, type CurrentHead } from '../log/head';
import type { LogAccess } from '../log/log-access';
import type { Base, KnownHead } from './next';
import { isWritten, type StreamPart } from './transaction';

const empty: KnownHead = { version: noVersion, sequence: beginning };

/** Where streams end: as this gateway last knew it, and as the leader of the log knows it now. */
export class Heads {
  /** Of the streams that this gateway wrote last. */
  private readonly written: RecentMap<StreamName, KnownHead>;

  constructor(
    private readonly log: LogAccess,
    private readonly view: LogView,
  ) {
    this.written = new RecentMap(log.limits.headCacheEntriesMax);
    // Sequences may be given again: then JetStream's check of a stream's last sequence proves nothing of its version.
    log.health.onDoubt(() => {
      this.written.clear();
    });
  }

  /** The heads to publish on top of, as far as they are known without a request; undefined: not all of them are. */
  known(parts: readonly StreamPart[]): Base | undefined {
    const heads: KnownHead[] = [];
    for (const part of parts) {
      const { stream, expected, newStreamRefusal } = part;
      // What holds of the stream now is for the leader to say.
      if (part.control !== undefined) return undefined;
      const head = this.knownHead(stream, expected);
      if (head === undefined) return undefined;
      // The answer of a tombstoned stream depends on what is stored already.
      if (head.rules?.isTombstoned === true && isWritten(part)) return undefined;
      // Whether the stream exists is for the leader to say.
      if (newStreamRefusal !== undefined && head.version === noVersion) return undefined;
      heads.push(head);
    }
    return heads;
  }

  /**
   * A stream counts as empty if it must be, or if nothing is known of it and any version will do: otherwise JetStream's check fails.
   * In a log that may have lost messages that check proves nothing.
   */
  private knownHead(stream: StreamName, expected: Expectation | undefined): KnownHead | undefined {
    const { view } = this;
    const viewed = view.isReady && !view.isDoubted;
    const head = this.written.get(stream) ?? (viewed ? view.headSync(stream) : undefined);
    if (head !== undefined) return isAsExpected(head.version, expected) ? head : undefined;
    const { health } = this.log;
    const isSure = health.isCurrent && !health.isIncomplete;
    return (expected ?? 0n) === 0n && isSure ? empty : undefined;
  }

  /** The heads as the leader of the log knows them. Throws StoreErrors. */
  current(parts: readonly Pick<StreamPart, 'stream'>[], call: CallContext): Promise<readonly CurrentHead[]> {
    return Promise.all(parts.map(({ stream }) => currentHead(this.log, this.view, stream, call)));
  }

  note(stream: StreamName, head: KnownHead): void {
    this.written.set(stream, head);
  }

  /** What is known of these streams was wrong, or may have been. */
  forget(parts: readonly StreamPart[]): void {
    for (const { stream } of parts) this.written.delete(stream);
  }
}
