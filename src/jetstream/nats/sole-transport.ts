import type { Socket } from 'node:net';
import type { NatsConnection } from 'nats';

/** The transport of a connection of `nats` (2.29). */
interface Transport {
  socket: Socket | undefined;
  /** Chunks that are not parsed yet. */
  yields: Uint8Array[];
  /** Whether it has ended: nothing is read, sent or reported any more. */
  done: boolean;
  closedNotification: { resolve(error?: Error): void };
}

interface ConnectionInternals {
  readonly protocol: { transport: Transport; prepare(): Promise<void> };
}

/**
 * Ends a transport before the next one begins. `nats` (2.29) leaves an attempt to connect open after its time-out, and mistakes the
 * end of any transport for the end of the current one. Then it connects again without closing the current transport, and reads
 * both into the same parser: answers come twice, or torn.
 */
export function keepOneTransport(connection: NatsConnection): void {
  const { protocol } = connection as unknown as ConnectionInternals;
  const prepare = protocol.prepare.bind(protocol);
  protocol.prepare = () => {
    retire(protocol.transport);
    return prepare();
  };
}

/** Ends the socket of a connection that does not answer. The package would wait until everything is written, perhaps for ever. */
export function endSocket(connection: NatsConnection): void {
  (connection as unknown as ConnectionInternals).protocol.transport.socket?.destroy();
}

/** Bytes that have arrived over the current transport. */
export function bytesReceived(connection: NatsConnection): number {
  return (connection as unknown as ConnectionInternals).protocol.transport.socket?.bytesRead ?? 0;
}

function retire(transport: Transport): void {
  let { socket } = transport;
  transport.done = true;
  transport.yields = [];
  transport.closedNotification = { resolve: () => undefined };
  socket?.destroy();
  // An attempt that is under way gets its socket later.
  Object.defineProperty(transport, 'socket', {
    get: () => socket,
    set(late: Socket | undefined) {
      socket = late;
      late?.destroy();
    },
  });
}
