import type { Socket } from 'node:net';
import type { NatsConnection } from 'nats';

/** A socket as `nats` (2.29) keeps it. */
interface Transport {
  socket: Socket | undefined;
  /** Chunks that the parser has not taken. */
  yields: Uint8Array[];
  /** Nothing more is read, sent or told. */
  done: boolean;
  closedNotification: { resolve(error?: Error): void };
}

interface ConnectionInternals {
  readonly protocol: { transport: Transport; prepare(): Promise<void> };
}

/**
 * Keeps the transports of a connection apart. `nats` (2.29) leaves an attempt to connect that took too long open, and takes
 * the end of any transport for the end of the current one. Then it connects once more without closing the current one, and
 * reads both into the same parser: answers come twice, or torn. Here a transport ends before the next one begins.
 */
export function keepOneTransport(connection: NatsConnection): void {
  const { protocol } = connection as unknown as ConnectionInternals;
  const prepare = protocol.prepare.bind(protocol);
  protocol.prepare = () => {
    retire(protocol.transport);
    return prepare();
  };
}

/** Ends the socket of a connection that does not answer. The library would wait until all is written, which may be never. */
export function endSocket(connection: NatsConnection): void {
  (connection as unknown as ConnectionInternals).protocol.transport.socket?.destroy();
}

/** Bytes that have come over the current transport. */
export function bytesReceived(connection: NatsConnection): number {
  return (connection as unknown as ConnectionInternals).protocol.transport.socket?.bytesRead ?? 0;
}

function retire(transport: Transport): void {
  let { socket } = transport;
  transport.done = true;
  transport.yields = [];
  transport.closedNotification = { resolve: () => undefined };
  socket?.destroy();
  // An attempt that is still under way gets its socket later.
  Object.defineProperty(transport, 'socket', {
    get: () => socket,
    set(late: Socket | undefined) {
      socket = late;
      late?.destroy();
    },
  });
}
