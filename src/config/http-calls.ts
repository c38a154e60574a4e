import { flagOf } from './settings';

/** What may make calls over HTTP. */
export interface HttpCalls {
  /** Of web pages, besides pages of this gateway. */
  readonly origins: readonly string[];
  /** Why there are none; undefined: they are served. */
  readonly closed: string | undefined;
}

/** Calls over HTTP must open nothing that gRPC keeps closed: they are in plain text, and have no client certificate. */
export function closedCalls(settings: {
  readonly requiresCertificate: boolean;
  readonly isLocal: boolean;
  readonly insecure: boolean;
}): string | undefined {
  if (settings.requiresCertificate)
    return `callers must present a certificate (${flagOf('tlsClientCa')}), which they cannot over HTTP: use gRPC`;
  if (settings.isLocal || settings.insecure) return undefined;
  return (
    `calls over HTTP are plain text, and other machines reach ${flagOf('httpListen')}: use gRPC, or let it listen on ` +
    `127.0.0.1 behind a proxy with TLS, or accept this with ${flagOf('insecure')}`
  );
}
