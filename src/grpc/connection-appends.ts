import type { Limits } from '../limits';
import type { Sized } from '../requests/append';
import { OverloadedError } from '../store/errors';
import type {
  AppendCommand,
  AppendMultiCommand,
  AppendMultiResult,
  AppendResult,
  EventStore,
} from '../store/event-store';
import type { Caller } from './call-scope';
import type { Connection } from './connections';

/** The appends of a store, bounded for each client connection: they fail with OverloadedError once it has too many under way. */
export interface ConnectionAppends {
  append(command: Sized<AppendCommand>, call: Caller): Promise<AppendResult>;
  appendMulti(command: Sized<AppendMultiCommand>, call: Caller): Promise<AppendMultiResult>;
}

export function createConnectionAppends(store: EventStore, limits: Limits): ConnectionAppends {
  return {
    append(command, call) {
      const refusal = enter(call.connection, command.bytes, limits);
      if (refusal !== undefined) return Promise.reject(refusal);
      return leaving(call.connection, command.bytes, store.append(command, call));
    },
    appendMulti(command, call) {
      const refusal = enter(call.connection, command.bytes, limits);
      if (refusal !== undefined) return Promise.reject(refusal);
      return leaving(call.connection, command.bytes, store.appendMulti(command, call));
    },
  };
}

/** A connection without appends may begin with one of any size. */
function enter(connection: Connection, bytes: number, limits: Limits): OverloadedError | undefined {
  const { appends, appendBytes } = connection;
  if (appends >= limits.connectionAppendsMax) {
    return new OverloadedError(`${appends} appends of this connection are under way already`);
  }
  if (appends > 0 && appendBytes + bytes > limits.connectionAppendsBytesMax) {
    return new OverloadedError(`${appendBytes} bytes of appends of this connection are under way already`);
  }
  connection.appends++;
  connection.appendBytes += bytes;
  return undefined;
}

/** Not an async function, which would keep the events until the end. */
function leaving<Result>(connection: Connection, bytes: number, append: Promise<Result>): Promise<Result> {
  const leave = (): void => {
    connection.appends--;
    connection.appendBytes -= bytes;
  };
  return append.then(
    (result) => {
      leave();
      return result;
    },
    (error: unknown) => {
      leave();
      throw error;
    },
  );
}
