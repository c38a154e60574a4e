import { flagOf, type Values } from './settings';

/** What may make calls over HTTP. */
export interface HttpCalls {
  /** Of web pages, besides pages of this gateway. */
  readonly origins: readonly string[];
  /** Why none are served; undefined: they are. */
  readonly closed: string | undefined;
}

/** Why no calls are served over HTTP, where they are plain text and have no client certificate; undefined: they are. */
export function closedCalls(
  { httpCalls, insecure }: Pick<Values, 'httpCalls' | 'insecure'>,
  isLocal: boolean,
  requiresCertificate: boolean,
): string | undefined {
  if (httpCalls === 'off') return `calls over HTTP are off (${flagOf('httpCalls')}): use gRPC`;
  if (requiresCertificate)
    return `callers must present a certificate (${flagOf('tlsClientCa')}), which they cannot over HTTP: use gRPC`;
  if (httpCalls === 'on' || isLocal || insecure) return undefined;
  return (
    `calls over HTTP are plain text, and other machines reach ${flagOf('httpListen')}: use gRPC, or allow them with ` +
    `${flagOf('httpCalls')}=on, behind a proxy with TLS`
  );
}
