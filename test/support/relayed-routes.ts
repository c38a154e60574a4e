import type { Routes } from './nats-server';
import { startTcpRelay, type TcpRelay } from './tcp-relay';

/** A network between the nodes of a cluster in which one node can be cut off from the others. Its clients still reach it. */
export interface RelayedRoutes extends Routes, AsyncDisposable {
  /** Loses everything that a node and the others send to each other, on connections that stay. */
  cutOff(node: number): void;
  heal(): void;
}

export function createRelayedRoutes(): RelayedRoutes {
  const relays: { readonly ends: readonly number[]; readonly relay: TcpRelay }[] = [];
  return {
    async between(from, to, port) {
      const relay = await startTcpRelay(port);
      relays.push({ ends: [from, to], relay });
      return relay.address;
    },
    cutOff(node) {
      for (const { ends, relay } of relays) {
        if (!ends.includes(node)) continue;
        relay.loseRequests();
        relay.loseAnswersAfter(0);
      }
    },
    heal() {
      for (const { relay } of relays) relay.heal();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(relays.map(({ relay }) => relay[Symbol.asyncDispose]()));
    },
  };
}
