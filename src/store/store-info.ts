import type { Position } from './values';

/** What a store is, where it is kept, and what is wrong with it. */
export interface StoreInfo {
  readonly name: string;
  /** Made with the store; "": the store has no id. */
  readonly storeId: string;
  readonly prefix: string;
  readonly replicas: number;
  readonly natsVersion: string;
  readonly position: Position;
  readonly messageCount: bigint;
  readonly bytes: bigint;
  /** The largest stored event that the NATS server accepts, in bytes. */
  readonly eventBytesMax: number;
  /** Consumers of the log at NATS: those of gateways, and others. */
  readonly consumerCount: number;
  /** The leader first. */
  readonly replicaInfos: readonly ReplicaInfo[];
  /** 0: no bound is known. */
  readonly bytesMax: bigint;
  /** Why the store takes no appends now; empty if it does. */
  readonly fullBy: string;
  /** A line for each wrong setting of the log. */
  readonly wrongSettings: readonly string[];
  readonly log: LogFindings;
  readonly replica: ReplicaFindings;
}

/** The state of the gateway's replica of the log. */
export interface ReplicaFindings {
  /** Everything that is stored up to here can be read. */
  readonly position: Position;
  /** Events received since it was opened or built again. */
  readonly eventsReceived: number;
  /** Whether it has been filled: until then there are no reads. */
  readonly isFilled: boolean;
  /** Why new commits do not come; "" if they do. */
  readonly troubleNow: string;
  /** The same, and for a while after the trouble is over. */
  readonly troubleLately: string;
  /** Its size on disk. */
  readonly bytes: bigint;
}

/** The progress of a replica that is being filled. */
export interface FillingProgress {
  readonly applied: Position;
  readonly end: Position;
  /** The estimated time left; undefined: not known yet. */
  readonly restMs: number | undefined;
}

/** What the gateway knows to be wrong with the log. */
export interface LogFindings {
  /** Messages that are gone. */
  readonly lostMessages: bigint;
  /** How many of them an operator has accepted. */
  readonly lostMessagesAccepted: bigint;
  /** JetStream streams of the same account that mirror the log, and can answer for it. */
  readonly mirrors: readonly string[];
  /** Found since the gateway started; a bounded number of them. */
  readonly unreadable: readonly UnreadableMessage[];
  /** Whether NATS refuses to remove messages. */
  readonly immutable: boolean;
  /** Why messages could not be removed when this process last tried; "": they could, or it did not have to. */
  readonly removalTrouble: string;
}

/** A NATS server that keeps the store, as the leader sees it. */
export interface ReplicaInfo {
  readonly name: string;
  readonly leader: boolean;
  /** Whether it has everything that is stored. */
  readonly current: boolean;
  readonly offline: boolean;
  /** Operations by which it is behind the leader. */
  readonly lag: bigint;
}

/** A message of the log that cannot be read as a commit, or the last of some messages that are gone. */
export interface UnreadableMessage {
  readonly position: Position;
  /** The name of its stream, or what its subject has instead; empty where messages are gone. */
  readonly stream: string;
  readonly reason: string;
}
