import type { Socket } from 'node:net';

const caller = Symbol('caller');

/** A socket, as far as it says who is at its other end. */
export type Peer = Pick<Socket, 'remoteAddress' | 'remotePort' | 'remoteFamily'> & { [caller]?: string };

/**
 * Says who is at the other end of a connection that another part of the gateway has made for one of its own callers; to be called
 * before the connection is served.
 */
export function setPeer(socket: Socket & Peer, peer: string): void {
  socket[caller] = peer;
}

/** Whether another part of the gateway has made the connection. */
export function hasPeer(socket: Socket & Peer): boolean {
  return socket[caller] !== undefined;
}

/** `address:port`, or `unix`. */
export function peerOf({ remoteAddress, remotePort, remoteFamily, [caller]: given }: Peer): string {
  if (given !== undefined) return given;
  if (remoteAddress === undefined) return 'unix';
  return `${remoteFamily === 'IPv6' ? `[${remoteAddress}]` : remoteAddress}:${String(remotePort)}`;
}
