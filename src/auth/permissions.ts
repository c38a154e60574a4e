/** What can be done with streams; `manage`: control them (truncate, retain, delete, tombstone, erase), and the consumer groups that select them. */
export const streamActions = ['append', 'read', 'subscribe', 'manage'] as const;
export type StreamAction = (typeof streamActions)[number];

/** What can be done with the store as a whole. */
export const storeActions = ['info', 'admin'] as const;
export type StoreAction = (typeof storeActions)[number];

/** What an identity may do, as one generation of the auth file says. */
export interface Permissions {
  /** Whether the action is granted on the stream. */
  allows(action: StreamAction, stream: string): boolean;
  /** Whether one grant contains every stream that the pattern matches. A pattern that is not valid is never contained. */
  covers(action: StreamAction, pattern: string): boolean;
  /** The patterns of all grants of the action, none of which contains another; [">"] is everything, [] nothing. */
  patternsOf(action: StreamAction): readonly string[];
  mayUseStore(action: StoreAction): boolean;
  readonly limits: CallerLimits;
}

/** How much one principal may use, over all of its connections; undefined: no bound of its own. */
export interface CallerLimits {
  /** Appends under way. */
  readonly appends: number | undefined;
  /** Bytes of the appends under way. */
  readonly appendBytes: number | undefined;
  /** Reads under way. */
  readonly reads: number | undefined;
  readonly subscriptions: number | undefined;
  readonly sessions: number | undefined;
  /** Calls of GetVersion, GetCommit and GetServerInfo under way. */
  readonly lookups: number | undefined;
  readonly appendsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly newStreamsPerSecond: number | undefined;
}

export const noLimits: CallerLimits = {
  appends: undefined,
  appendBytes: undefined,
  reads: undefined,
  subscriptions: undefined,
  sessions: undefined,
  lookups: undefined,
  appendsPerSecond: undefined,
  bytesPerSecond: undefined,
  newStreamsPerSecond: undefined,
};

/** Everything, without bounds. */
export const allPermissions: Permissions = {
  allows: () => true,
  covers: () => true,
  patternsOf: () => ['>'],
  mayUseStore: () => true,
  limits: noLimits,
};
