/** One slot of a measurement, which the coordinator sends to a load process as JSON. */
export interface Job {
  readonly peer: PeerName;
  readonly operation: Operation;
  /** The callers of this process: [from, to) of all. Each makes its next call after the response to its last one. */
  readonly callers: { readonly from: number; readonly to: number };
  readonly callsEach: number;
  /** Calls that each caller has made in earlier slots. */
  readonly firstCall: number;
}

/**
 * The client: the generated one, the same with a UUID v4 or, in Go, a UUID v7 as each commit id, also with a
 * deadline of 15 s for each append, the TypeScript client, that with a session, plain
 * HTTP/2 on a gateway, hand-written code with the NATS client, or, in Go, the Go client.
 */
export type PeerName =
  | 'generated'
  | 'generatedV4'
  | 'generatedV7'
  | 'generatedV7Deadline'
  | 'typescript'
  | 'session'
  | 'wire'
  | 'raw'
  | 'goClient';

/** What a call does. The figures are those of the call alone; a wrong response fails the whole run. */
export type Operation =
  /** Appends to a stream of the caller, with its version as the expected one; after some calls to the next stream. */
  | {
      readonly kind: 'append';
      readonly streams: string;
      readonly events: number;
      readonly callsPerStream: number;
      /** The version that the streams have before. */
      readonly version: number;
    }
  /** Appends an event to each of this many streams of the caller in one transaction. */
  | { readonly kind: 'multi'; readonly streams: string; readonly width: number }
  /** Reads this many events of one of the streams. */
  | { readonly kind: 'read'; readonly streams: StreamSet; readonly range: ReadRange; readonly events: number }
  /** Requests the version of one of the streams, which must be this one. */
  | { readonly kind: 'version'; readonly streams: StreamSet; readonly version: number }
  /** Reads the events of one of this many correlation ids. */
  | { readonly kind: 'correlation'; readonly ids: number; readonly events: number }
  /** Subscribes to a pattern from the start, until this many events have arrived. */
  | { readonly kind: 'catchUp'; readonly pattern: string; readonly events: number }
  /** Appends at a fixed rate to streams with subscribers, see delivery.ts. */
  | {
      readonly kind: 'delivery';
      readonly streams: string;
      /** Appends per second. */
      readonly rate: number;
      readonly subscribers: number;
    }
  /** Appends from more callers for some time, each to its own stream, as soon as it is allowed to. Only from Go. */
  | {
      readonly kind: 'flood';
      readonly streams: string;
      readonly callers: number;
      readonly seconds: number;
    };

export interface StreamSet {
  readonly prefix: string;
  readonly count: number;
}

export type ReadRange = 'all' | { readonly from: number } | { readonly last: number };

/** The result of a job. */
export interface SlotReport {
  /** Times of all calls in microseconds, as hdr-histogram-js packs them. */
  readonly histogram: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly endedMs: number;
}

/** The name of a caller's stream. */
export function streamName(prefix: string, caller: number, index: number): string {
  return `${prefix}.${caller}-${index}`;
}

export function correlationId(index: number): string {
  return `transaction-${index}`;
}
