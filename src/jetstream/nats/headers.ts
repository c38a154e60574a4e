/**
 * Every header that a gateway sends to NATS; no other header is ever sent. nats-server evaluates a header on all replicas, where a
 * bug of it would affect the whole log.
 */
export const sentHeader = {
  /** The commit id; for the second and later messages of a batch `<commit id>:<number>`. */
  messageId: 'Nats-Msg-Id',
  /** The sequence that the last message on the subject must have; 0: the subject must have no message. */
  previous: 'Nats-Expected-Last-Subject-Sequence',
  /** The subject that `previous` is about, if it is not the subject of the message. Without wildcards. */
  previousOn: 'Nats-Expected-Last-Subject-Sequence-Subject',
  /** The sequence that the last message of the log must have; on the first message of a batch. */
  lastSequence: 'Nats-Expected-Last-Sequence',
  /** The `messageId` that the last message of the log must have. Never in a cluster, see `Fence`. */
  lastMessageId: 'Nats-Expected-Last-Msg-Id',
  /** When the message is removed. Only for records of groups that were removed, never on the log. */
  timeToLive: 'Nats-TTL',
  batchId: 'Nats-Batch-Id',
  batchSequence: 'Nats-Batch-Sequence',
  batchCommit: 'Nats-Batch-Commit',
  /** The version of the stream after this message. */
  version: 'Sluice-Version',
  /** The number of events in this message. */
  count: 'Sluice-Count',
  /** `<part>/<parts>`, 1-based; absent if there is only one. */
  part: 'Sluice-Part',
  /** `<message>/<messages>` of a transaction over several streams, 1-based; absent on a commit outside a transaction. */
  transaction: 'Sluice-Transaction',
  /** The principal that has appended the commit; absent unless the gateway records it. Nothing is decided by it. */
  principal: 'Sluice-Principal',
  /** On a control, which has no events: what it does. */
  control: 'Sluice-Control',
  /** On a record of groups: names the attempt to change it, whose answer may be lost. */
  write: 'Sluice-Write',
} as const;

export type SentHeader = (typeof sentHeader)[keyof typeof sentHeader];

export type SentHeaders = Readonly<Partial<Record<SentHeader, string>>>;

/** Headers that the server sets. */
export const receivedHeader = {
  /** The messages of a request that will not come. */
  unused: 'Nats-Pending-Messages',
} as const;
