/** The state of the server and of the log at one moment, as far as the memory of commit ids depends on it. */
export interface LogObservation {
  /** How long the server remembers a commit id: `duplicate_window` of the log. */
  readonly windowMs: number;
  /** The leader of the log, and when the log was created. */
  readonly log: string;
  /** The server's clock. */
  readonly serverMs: number;
  /** This gateway's clock, and a monotonic one. */
  readonly nowMs: number;
  readonly monotonicMs: number;
  /** How long the answer took. */
  readonly tookMs: number;
}

/** Something that must know how the log changes. */
export interface LogObserver {
  observe(observation: LogObservation): void;
  /** The connection is lost, or the log does not answer. */
  lose(): void;
}
