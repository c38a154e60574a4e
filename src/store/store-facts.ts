import type { Position } from './values';

/** What an open store can tell of itself at any time, without a request to NATS: for metrics and health. */
export interface StoreFacts {
  readonly log: LogFacts;
  readonly replica: ReplicaFacts;
  readonly appends: AppendFacts;
  readonly space: SpaceFacts;
  readonly state: StateFacts;
  /** undefined: another process removes messages. */
  readonly removal: RemovalFacts | undefined;
  readonly nats: readonly LinkFacts[];
}

export interface LogFacts {
  /** The end of the log as it was last observed, which is at most some seconds ago while NATS is there. */
  readonly end: Position;
  readonly lostMessages: bigint;
  readonly unreadableMessages: number;
  readonly mirrors: number;
  /** How often the log was found at an earlier state. */
  readonly timesGoneBack: number;
}

export interface ReplicaFacts {
  /** Subscribers see everything up to here. */
  readonly received: Position;
  /** Reads see everything up to here. */
  readonly applied: Position;
  /** Whether it is filled, so that reads are served. */
  readonly isFilled: boolean;
  readonly rebuilds: number;
  subscriptions(): SubscriptionsFacts;
}

/** The open subscriptions. */
export interface SubscriptionsFacts {
  readonly live: SubscriptionFacts;
  readonly catchingUp: SubscriptionFacts;
}

/** Those of one state. */
export interface SubscriptionFacts {
  readonly count: number;
  /** How far the slowest one is behind what the gateway has received, in positions. */
  readonly lagMax: number;
}

export interface AppendFacts {
  readonly underWay: number;
  readonly bytesUnderWay: number;
  /** Appends to which an answer of NATS was lost, by what was found out. */
  readonly doubts: { readonly stored: number; readonly notStored: number; readonly unknown: number };
  readonly fence: FenceFacts;
}

/** Appends with conditions over all streams, since the start. */
export interface FenceFacts {
  /** Attempts to publish. */
  readonly attempts: number;
  /** Of these, attempts that somebody else was faster than. */
  readonly lost: number;
  /** Appends that have their turn or wait for it, now. */
  readonly waiting: number;
}

export interface SpaceFacts {
  readonly bytes: number;
  /** undefined: no bound is known. */
  readonly bytesMax: number | undefined;
  readonly takesAppends: boolean;
}

/** The records of consumer groups. */
export interface StateFacts {
  /** Changes of records since the start, by how they ended. `tooLate`: somebody had changed the record before. */
  readonly changes: { readonly stored: number; readonly tooLate: number; readonly failed: number };
  /** How long ago the view that is furthest behind had all records; undefined: there is no view. */
  readonly viewAgeMs: number | undefined;
}

/** What all processes of a gateway know of the removal of messages, which one of them does. */
export interface RemovalReport {
  /** Why the last sweep has failed; "": it has not. */
  trouble: string;
}

/** What this gateway has removed from the log. */
export interface RemovalFacts {
  /** Messages, and their bytes, since the start. */
  readonly messages: number;
  readonly bytes: number;
  /** Sweeps that have failed. */
  readonly failures: number;
  /** Streams of which messages are being removed. */
  readonly waiting: number;
  /** Why the last sweep has failed; "": it has not. */
  readonly trouble: string;
}

export const linkRoles = ['append', 'read', 'tail'] as const;

/** The connections to NATS of one role. */
export interface LinkFacts {
  readonly role: (typeof linkRoles)[number];
  readonly wanted: number;
  readonly connected: number;
  readonly requests: number;
  readonly reconnects: number;
}
