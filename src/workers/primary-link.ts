import type { Socket } from 'node:net';
import type { Adopt } from '../grpc/server';
import type { FromReader, ReplicaLink, ToReader } from '../replica/share/messages';
import type { FromWorker, ToWorker } from './messages';
import { SharedDurability } from './shared-durability';

/** The way of a worker to its primary. */
export interface PrimaryLink {
  send(message: FromWorker): void;
  onMessage(listener: (message: ToWorker) => void): void;
  /** Gets the client connections. */
  onConnection(listener: Adopt): void;
}

/** The channel to the process that has forked this one. */
export function linkToPrimary(): PrimaryLink {
  const listeners: ((message: ToWorker) => void)[] = [];
  let take: Adopt = (socket) => socket.destroy();
  let ended = 0;
  const send = (message: FromWorker): void => {
    // If the primary is gone, this process ends.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  const onEnded = (): void => {
    if (ended++ > 0) return;
    setImmediate(() => {
      send({ kind: 'ended', connections: ended });
      ended = 0;
    });
  };
  process.on('message', (message: ToWorker, handle) => {
    if (message.kind !== 'connection') {
      for (const listener of listeners) listener(message);
      return;
    }
    send({ kind: 'taken' });
    // Without a socket if it ended on the way.
    const socket = handle as Socket | undefined;
    if (socket === undefined) onEnded();
    else take(socket.once('close', onEnded), message.peer);
  });
  return {
    send,
    onMessage: (listener) => listeners.push(listener),
    onConnection: (listener) => (take = listener),
  };
}

/** The replica that the primary writes. */
export function replicaLink(link: PrimaryLink): ReplicaLink<FromReader, ToReader> {
  const early: ToReader[] = [];
  let listen = (message: ToReader): void => void early.push(message);
  link.onMessage((message) => {
    if (message.kind === 'replica') listen(message.message);
  });
  return {
    send: (message) => {
      link.send({ kind: 'replica', message });
    },
    onMessage(listener) {
      listen = listener;
      for (const message of early.splice(0)) listener(message);
    },
  };
}

/** The primary syncs the log. */
export function durabilityOver(link: PrimaryLink): SharedDurability {
  const durability = new SharedDurability({
    sync: (request) => {
      link.send({ kind: 'sync', ...request });
    },
    forget: () => {
      link.send({ kind: 'forget' });
    },
  });
  link.onMessage((message) => {
    if (message.kind === 'synced') durability.onSynced(message.ticket);
    else if (message.kind === 'unsynced') durability.onUnsynced(message.ticket, message.reason);
    else if (message.kind === 'diskFailed') durability.onFailed();
  });
  return durability;
}
