import { isIP } from 'node:net';
import { isLoopbackAddress } from '../loopback';

/** The IP address in a gRPC target; undefined for a target with a host name. */
export function ipOf(target: string): string | undefined {
  const [first = ''] = hostsOf(target.replace(/^(?:ipv4|ipv6|dns):(?:\/\/[^/]*\/)?/, ''));
  return isIP(first) === 0 ? undefined : first;
}

/** The hosts that a gRPC target names, for a certificate to be valid for; none for a Unix socket. */
export function namesOf(target: string): string[] {
  if (/^unix(?:-abstract)?:/.test(target)) return [];
  return hostsOf(target.replace(/^(?:ipv4|ipv6|dns):(?:\/\/[^/]*\/)?/, ''));
}

/**
 * Whether a gRPC target is this machine for certain, so that plain text does not leave it: a Unix socket, an address of loopback or
 * `localhost`. Other names are not looked up.
 */
export function isLocal(target: string): boolean {
  if (/^unix(?:-abstract)?:/.test(target)) return true;
  return hostsOf(target.replace(/^(?:ipv4|ipv6|dns):(?:\/\/\/)?/, '')).every(
    (host) => host.toLowerCase() === 'localhost' || isLoopbackAddress(host),
  );
}

/** The hosts of a list of addresses, each with or without a port. */
function hostsOf(path: string): string[] {
  return path.split(',').map((address) => {
    if (isIP(address) === 6) return address;
    const [, inBrackets, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(address) ?? [];
    return inBrackets ?? plain ?? address;
  });
}
