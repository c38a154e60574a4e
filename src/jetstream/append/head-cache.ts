import type { LogView } from '../../store/log';
import type { StreamName } from '../../store/values';
import type { LogHealth } from '../log/log-health';
import type { RecentMap } from '../../collections/recent-map';

/** The last commit of a stream as far as this gateway knows; only JetStream's check decides whether it still is. */
export interface KnownHead {
  readonly version: bigint;
  /** Of the last message; 0 if the stream is empty. */
  readonly sequence: bigint;
}

/** Heads of the most recently used streams. */
export type HeadCache = RecentMap<StreamName, KnownHead>;

const nothing: KnownHead = { version: 0n, sequence: 0n };

/**
 * The head that an append goes on top of, as far as that can be told without a question; undefined: it cannot. A stream that
 * must be empty, or that nothing is known of and may have any version, counts as empty: if it is not, JetStream's check says so,
 * unless it may have lost messages.
 */
export function expectedHead(
  { heads, health, view }: { readonly heads: HeadCache; readonly health: LogHealth; readonly view: LogView },
  stream: StreamName,
  expected: bigint | undefined,
): KnownHead | undefined {
  const head = heads.get(stream) ?? (view.isReady && !view.isDoubted ? view.headSync(stream) : undefined);
  if (head !== undefined) return expected === undefined || expected === head.version ? head : undefined;
  const isSure = health.isCurrent && !health.isIncomplete;
  return (expected ?? 0n) === 0n && isSure ? nothing : undefined;
}
