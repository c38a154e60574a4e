import { isIP } from 'node:net';

const defaultPort = 50051;

/** Adds the default port to an address without a port. Other gRPC targets stay as they are. */
export function withPort(address: string): string {
  if (isIP(address) === 6) return `[${address}]:${defaultPort}`;
  const hasPort = /^\[.*\]$/.test(address) ? false : /[:/]/.test(address);
  return hasPort || address === '' ? address : `${address}:${defaultPort}`;
}
