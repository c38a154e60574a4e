import { isIP } from 'node:net';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** What a page of another site may send and read. */
const sent = [
  'authorization',
  'connect-protocol-version',
  'connect-timeout-ms',
  'content-type',
  'grpc-timeout',
  'traceparent',
  'tracestate',
  'x-grpc-web',
  'x-request-id',
  'x-user-agent',
];
const read = ['grpc-message', 'grpc-status', 'grpc-status-details-bin', 'trailer-x-request-id'];
const preflightAgeS = '7200';

/** Which web pages may make calls. */
export class Origins {
  constructor(private readonly allowed: readonly string[]) {}

  /**
   * Whether a request comes from no web page, from one of this server, or from one of an allowed origin. A page of this server has a host
   * that cannot be made to point here by somebody else: an IP address, or localhost.
   */
  accepts({ origin, host }: IncomingHttpHeaders): boolean {
    if (origin === undefined || this.allowed.includes(origin)) return true;
    if (!URL.canParse(origin)) return false;
    const { host: from, hostname } = new URL(origin);
    return from !== '' && from === host?.toLowerCase() && cannotBeRebound(hostname);
  }

  /** For the response to a request that is accepted. */
  headersFor({ origin }: IncomingHttpHeaders): OutgoingHttpHeaders {
    if (this.allowed.length === 0) return {};
    if (origin === undefined || !this.allowed.includes(origin)) return { vary: 'origin' };
    return {
      vary: 'origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': read.join(', '),
    };
  }

  /** For the response to a request that asks whether another one may be made. */
  readonly preflight: OutgoingHttpHeaders = {
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': sent.join(', '),
    'access-control-max-age': preflightAgeS,
  };
}

function cannotBeRebound(hostname: string): boolean {
  return hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0;
}
