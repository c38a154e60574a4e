/**
 * Every header that a gateway sends to NATS, and the type of what carries them: nothing else is ever sent. What a header asks of
 * nats-server is decided on all of its replicas, where a fault of it would be one of the whole log.
 */
export const sentHeader = {
  /** The commit id; for the second and later messages of a batch `<commit id>:<number>`. */
  messageId: 'Nats-Msg-Id',
  /** The sequence that the last message on the subject must have, 0: there must be none. */
  previous: 'Nats-Expected-Last-Subject-Sequence',
  /** The subject that `previous` is about, if it is not that of the message; a literal one. */
  previousOn: 'Nats-Expected-Last-Subject-Sequence-Subject',
  batchId: 'Nats-Batch-Id',
  batchSequence: 'Nats-Batch-Sequence',
  batchCommit: 'Nats-Batch-Commit',
  /** The version of the stream after this message. */
  version: 'Sluice-Version',
  /** The number of events in this message. */
  count: 'Sluice-Count',
  /** `<part>/<parts>`, 1-based; absent if there is only one. */
  part: 'Sluice-Part',
  /** `<message>/<messages>` of a transaction over several streams, 1-based; absent on a commit of its own. */
  transaction: 'Sluice-Transaction',
} as const;

export type SentHeader = (typeof sentHeader)[keyof typeof sentHeader];

export type SentHeaders = Readonly<Partial<Record<SentHeader, string>>>;

/** What the server says by itself. */
export const receivedHeader = {
  /** Messages of a request that will not come. */
  unused: 'Nats-Pending-Messages',
} as const;
