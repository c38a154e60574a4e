/** One slot of a measurement, as the coordinator asks it of a load process. It goes over as JSON. */
export interface Job {
  readonly peer: PeerName;
  readonly operation: Operation;
  /** The callers of this process: [from, to) of all. Each makes its next call when its last one is answered. */
  readonly callers: { readonly from: number; readonly to: number };
  readonly callsEach: number;
  /** Calls that each caller has made in earlier slots. */
  readonly firstCall: number;
}

/**
 * Who does it: the generated client, the same with a UUID v4 as each commit id, the TypeScript client, one with a session or
 * plain HTTP/2 on a gateway, or the NATS client by hand.
 */
export type PeerName = 'generated' | 'generatedV4' | 'typescript' | 'session' | 'wire' | 'raw';

/** What a call does. All figures are of the call alone: a wrong answer fails the whole run. */
export type Operation =
  /** Appends to a stream of the caller's own, with its version as the expected one; to the next after some calls. */
  | {
      readonly kind: 'append';
      readonly streams: string;
      readonly events: number;
      readonly callsPerStream: number;
      /** The version that the streams have before. */
      readonly version: number;
    }
  /** Appends an event to each of so many streams of the caller's own in one step. */
  | { readonly kind: 'multi'; readonly streams: string; readonly width: number }
  /** Reads so many events of one of the streams. */
  | { readonly kind: 'read'; readonly streams: StreamSet; readonly range: ReadRange; readonly events: number }
  /** Asks for the version of one of the streams, and must be told this one. */
  | { readonly kind: 'version'; readonly streams: StreamSet; readonly version: number }
  /** Reads the events of one of so many correlation ids. */
  | { readonly kind: 'correlation'; readonly ids: number; readonly events: number }
  /** Subscribes to a pattern from the start, until so many events have come. */
  | { readonly kind: 'catchUp'; readonly pattern: string; readonly events: number }
  /** Appends at a rate to streams that are subscribed to, see delivery.ts. */
  | {
      readonly kind: 'delivery';
      readonly streams: string;
      /** Appends per second. */
      readonly rate: number;
      readonly subscribers: number;
    }
  /** Appends from more callers for some time, each to a stream of its own, as soon as it may. Only from Go. */
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

/** What comes of a job. */
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
