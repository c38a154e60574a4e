import type { Position, StreamName, UnixNanos, Version } from './values';

/** Where a subscription begins: with the first commit after it. */
export type SubscriptionStart =
  | {
      readonly kind: 'position';
      readonly after: Position;
      /** See `CommitOffset.count`; undefined: the whole commit at `after` is skipped. */
      readonly afterCount: bigint | undefined;
      /** Only commits of this time or a later one. */
      readonly fromTime: UnixNanos | undefined;
    }
  /** Of the only stream that is subscribed to. */
  | { readonly kind: 'version'; readonly stream: StreamName; readonly after: Version }
  | { readonly kind: 'now' };
