/** The limits of the HTTP port: the part of `Limits` (limits.ts) that concerns its callers. */
export interface HttpLimits {
  /** Bytes of the headers of one HTTP request. */
  readonly httpHeaderBytesMax: number;
  /** How long a caller may take to send a request over HTTP: a slower one only occupies a connection. */
  readonly httpRequestTimeoutMs: number;
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
  httpIdleMs: 60_000,
  httpConnectionsMax: 128,
  httpAddressConnectionsMax: 64,
  metricsAgeMaxMs: 500,
};
