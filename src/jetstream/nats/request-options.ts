import type { SentHeaders } from './headers';

/** How a request to NATS is sent, and for how long. */
export interface RequestOptions {
  /** How long to wait for the next answer. */
  readonly timeoutMs: number;
  /** Gives up when aborted, with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly headers?: SentHeaders;
  /**
   * Sends the request again after every such interval in which little has come, until there is an answer. Only for requests
   * with one answer: a server that goes down never answers, and its successor has not seen the request.
   */
  readonly repeatMs?: number;
  /**
   * How long the request is sent again while no server takes it, before that is an error: when a leader has gone, nothing
   * serves a subject for a moment. Default: 0.
   */
  readonly absenceMaxMs?: number;
}
