/** The limits of the HTTP port: the part of `Limits` (limits.ts) that concerns its callers. */
export interface HttpLimits {
  /** Bytes of the headers of one HTTP request. */
  readonly httpHeaderBytesMax: number;
  /** How long a caller may take to send the headers of a request over HTTP: a slower one only occupies a connection. */
  readonly httpRequestTimeoutMs: number;
  /** The same for all of a request: the body of a call may be large. */
  readonly httpBodyTimeoutMs: number;
  /** Bytes of JSON, inflated, that have come for all calls over HTTP and are not decoded yet: above it, calls are refused. */
  readonly httpBodiesBytesMax: number;
  /** Calls under way on one HTTP connection, whose caller sends requests without waiting for answers. */
  readonly httpConnectionCallsMax: number;
  /** How long an HTTP connection may be silent, between requests or while its caller takes no data. */
  readonly httpIdleMs: number;
  /** HTTP connections: each needs a file descriptor. */
  readonly httpConnectionsMax: number;
  /** HTTP connections of one address: a caller that opens many must leave some for the probes of others. */
  readonly httpAddressConnectionsMax: number;
  /** How old a page of metrics may be: all scrapers within this time share one. */
  readonly metricsAgeMaxMs: number;
}

export const httpLimits: HttpLimits = {
  httpHeaderBytesMax: 16 << 10,
  httpRequestTimeoutMs: 5_000,
  httpBodyTimeoutMs: 60_000,
  httpBodiesBytesMax: 128 << 20,
  httpConnectionCallsMax: 16,
  httpIdleMs: 60_000,
  httpConnectionsMax: 128,
  httpAddressConnectionsMax: 64,
  metricsAgeMaxMs: 500,
};
