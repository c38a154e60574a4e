import type { Limits } from '../../limits';
import { OverloadedError } from '../../store/errors';
import { CompactingMap } from '../../collections/compacting-map';

/** Bounds what the appends of one client connection take. */
export interface ConnectionShares {
  /** Throws OverloadedError if a connection has too much under way to take this as well. */
  admit(connection: string | undefined, bytes: number): void;
  take(connection: string | undefined, bytes: number): void;
  giveBack(connection: string | undefined, bytes: number): void;
}

interface Share {
  appends: number;
  bytes: number;
}

export function createConnectionShares(limits: Limits): ConnectionShares {
  const shares = new CompactingMap<string, Share>();
  return {
    admit(connection, bytes) {
      const share = connection === undefined ? undefined : shares.get(connection);
      if (share === undefined) return;
      if (share.appends >= limits.connectionAppendsMax) {
        throw new OverloadedError(
          `${share.appends.toString()} appends of this connection are under way already`,
        );
      }
      if (share.bytes + bytes > limits.connectionAppendsBytesMax) {
        throw new OverloadedError(
          `${share.bytes.toString()} bytes of appends of this connection are under way already`,
        );
      }
    },
    take(connection, bytes) {
      if (connection === undefined) return;
      const share = shares.get(connection);
      if (share === undefined) {
        shares.set(connection, { appends: 1, bytes });
        return;
      }
      share.appends++;
      share.bytes += bytes;
    },
    giveBack(connection, bytes) {
      const share = connection === undefined ? undefined : shares.get(connection);
      if (connection === undefined || share === undefined) return;
      share.bytes -= bytes;
      if (--share.appends === 0) shares.delete(connection);
    },
  };
}
