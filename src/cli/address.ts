import { isIP } from 'node:net';

const defaultPort = 50051;

/** Where a gateway is, with the default port if it has none. Anything that is no host is left to gRPC. */
export function withPort(address: string): string {
  if (isIP(address) === 6) return `[${address}]:${defaultPort}`;
  const hasPort = /^\[.*\]$/.test(address) ? false : /[:/]/.test(address);
  return hasPort || address === '' ? address : `${address}:${defaultPort}`;
}
