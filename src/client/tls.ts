import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { ipOf, namesOf } from './target';

/** Certificates and keys in PEM, as text or bytes. */
export interface ClientTls {
  /** Certificate authorities for the gateway's certificate; left out: Node's default authorities. */
  readonly ca?: string | Uint8Array | undefined;
  /** Certificate chain that the client presents (mutual TLS); needs `key`. */
  readonly cert?: string | Uint8Array | undefined;
  /** Private key of `cert`. */
  readonly key?: string | Uint8Array | undefined;
}

/** How to reach a gateway. */
export interface Security {
  readonly credentials: ChannelCredentials;
  readonly channelOptions: Readonly<Record<string, string>>;
}

/** A TLS client sends the name of the server. An IP address is not a valid name (RFC 6066), and this one is reserved (RFC 2606). */
const noName = 'address.invalid';

/**
 * `tls` comes from ConnectOptions. Of several gateways, each must have a certificate for one of the addresses. Throws for a certificate
 * that is not valid.
 */
export function securityOf(addresses: readonly string[], tls: ClientTls | true | undefined): Security {
  if (tls === undefined) return { credentials: credentials.createInsecure(), channelOptions: {} };
  const { ca, cert, key } = tls === true ? {} : tls;
  const [first = ''] = addresses;
  const ip = ipOf(first);
  if (ip === undefined && addresses.length === 1)
    return { credentials: credentials.createSsl(pem(ca), pem(key), pem(cert)), channelOptions: {} };
  const hosts = addresses.flatMap(namesOf);
  const check = (name: string, certificate: PeerCertificate): Error | undefined => {
    // Any other name comes from the options of the channel.
    const isOwn = name === noName || hosts.includes(name);
    return firstOrNone((isOwn ? hosts : [name]).map((host) => checkServerIdentity(host, certificate)));
  };
  return {
    credentials: credentials.createSsl(pem(ca), pem(key), pem(cert), { checkServerIdentity: check }),
    // grpc-js would send the address as the name, which Node 26 refuses. The certificate must still be valid for the address.
    channelOptions: ip === undefined ? {} : { 'grpc.ssl_target_name_override': noName },
  };
}

/** The first failure, unless one of the checks did not fail. */
function firstOrNone(failures: readonly (Error | undefined)[]): Error | undefined {
  return failures.includes(undefined) ? undefined : failures[0];
}

function pem(text: string | Uint8Array | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
