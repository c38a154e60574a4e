import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';

/** PEM texts or their bytes. */
export interface ClientTls {
  /** Authorities to check the gateway's certificate against; left out: those that Node knows. */
  readonly ca?: string | Uint8Array | undefined;
  /** Certificate chain to show to the gateway (mutual TLS); needs `key`. */
  readonly cert?: string | Uint8Array | undefined;
  /** Private key of `cert`. */
  readonly key?: string | Uint8Array | undefined;
}

/** How to reach a gateway. */
export interface Security {
  readonly credentials: ChannelCredentials;
  readonly channelOptions: Readonly<Record<string, string>>;
}

/** In TLS a client names the server that it wants. An address is no such name (RFC 6066), and this is nobody's (RFC 2606). */
const noName = 'address.invalid';

/** `tls` is that of ConnectOptions. Throws for a certificate that cannot be used. */
export function securityOf(address: string, tls: ClientTls | true | undefined): Security {
  if (tls === undefined) return { credentials: credentials.createInsecure(), channelOptions: {} };
  const { ca, cert, key } = tls === true ? {} : tls;
  const ip = ipOf(address);
  if (ip === undefined)
    return { credentials: credentials.createSsl(pem(ca), pem(key), pem(cert)), channelOptions: {} };
  // grpc-js would name the address, which Node 26 refuses. Whatever is named, the certificate must be one for the address.
  const check = (name: string, certificate: PeerCertificate): Error | undefined =>
    checkServerIdentity(name === noName ? ip : name, certificate);
  return {
    credentials: credentials.createSsl(pem(ca), pem(key), pem(cert), { checkServerIdentity: check }),
    channelOptions: { 'grpc.ssl_target_name_override': noName },
  };
}

/** The IP address of a target of gRPC; undefined for one with a name. */
function ipOf(target: string): string | undefined {
  const path = target.replace(/^(?:ipv4|ipv6|dns):(?:\/\/[^/]*\/)?/, '');
  const [, inBrackets, plain] = /^(?:\[([^\]]*)\]|([^,:]*))(?::\d+)?(?:,|$)/.exec(path) ?? [];
  const host = inBrackets ?? plain ?? path;
  return isIP(host) === 0 ? undefined : host;
}

function pem(text: string | Uint8Array | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
