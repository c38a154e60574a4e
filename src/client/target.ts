import { BlockList, isIP } from 'node:net';

/** The IP address in a gRPC target; undefined for a target with a host name. */
export function ipOf(target: string): string | undefined {
  const [first = ''] = hostsOf(target.replace(/^(?:ipv4|ipv6|dns):(?:\/\/[^/]*\/)?/, ''));
  return isIP(first) === 0 ? undefined : first;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/**
 * Whether a gRPC target is this machine for certain, so that plain text does not leave it: a Unix socket, an address of loopback or
 * `localhost`. Other names are not looked up.
 */
export function isLocal(target: string): boolean {
  if (/^unix(?:-abstract)?:/.test(target)) return true;
  return hostsOf(target.replace(/^(?:ipv4|ipv6|dns):(?:\/\/\/)?/, '')).every((host) => {
    const family = isIP(host);
    if (family === 0) return host.toLowerCase() === 'localhost';
    return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
  });
}

/** The hosts of a list of addresses, each with or without a port. */
function hostsOf(path: string): string[] {
  return path.split(',').map((address) => {
    if (isIP(address) === 6) return address;
    const [, inBrackets, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(address) ?? [];
    return inBrackets ?? plain ?? address;
  });
}
