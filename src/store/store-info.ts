import type { Position } from './values';

/** What a store is, where it is kept, and what is wrong with it. */
export interface StoreInfo {
  readonly name: string;
  readonly prefix: string;
  readonly replicas: number;
  readonly natsVersion: string;
  readonly position: Position;
  readonly messageCount: bigint;
  readonly bytes: bigint;
  /** Bytes of one event as stored that the NATS server can take. */
  readonly eventBytesMax: number;
  /** Who follows the log at NATS: gateways with subscribers, and others. */
  readonly consumerCount: number;
  /** The leader first. */
  readonly replicaInfos: readonly ReplicaInfo[];
  /** 0: no bound is known. */
  readonly bytesMax: bigint;
  /** Why it takes no appends now; empty: it does. */
  readonly fullBy: string;
  /** A line for each setting of the log that is not as it must be. */
  readonly wrongSettings: readonly string[];
  readonly log: LogFindings;
  readonly replica: ReplicaFindings;
}

/** What the gateway's own replica of the log is like. */
export interface ReplicaFindings {
  /** All that is stored up to here can be read. */
  readonly position: Position;
  /** Whether it has been filled: until then there are no reads. */
  readonly isFilled: boolean;
  /** Why new commits do not come; "" if they do. */
  readonly troubleNow: string;
  /** The same, and for a while after it is over. */
  readonly troubleLately: string;
  /** What it takes on the disk. */
  readonly bytes: bigint;
}

/** How far a replica is that is being filled. */
export interface FillingProgress {
  readonly applied: Position;
  readonly end: Position;
  /** How long it still takes, by what it took until now; undefined: that cannot be told yet. */
  readonly restMs: number | undefined;
}

/** What is wrong with the log, as far as the gateway knows. */
export interface LogFindings {
  /** Messages that are gone. */
  readonly lostMessages: bigint;
  /** So many may be. */
  readonly lostMessagesAccepted: bigint;
  /** Streams that mirror it in its account, and answer in its place. */
  readonly mirrors: readonly string[];
  /** Met since the gateway started; a bounded number of them. */
  readonly unreadable: readonly UnreadableMessage[];
}

/** A server that keeps the store, as its leader sees it. */
export interface ReplicaInfo {
  readonly name: string;
  readonly leader: boolean;
  /** Whether it has all that is stored. */
  readonly current: boolean;
  readonly offline: boolean;
  /** Operations that it is behind the leader. */
  readonly lag: bigint;
}

/** A message of the log, or the last of some that are gone, that cannot be read as a commit. */
export interface UnreadableMessage {
  readonly position: Position;
  /** Of its stream, or what stands in the place of one; empty where messages are gone. */
  readonly stream: string;
  readonly reason: string;
}
