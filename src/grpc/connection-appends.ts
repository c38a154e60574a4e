import type { Limits } from '../limits';
import type { Sized } from '../requests/append';
import { OverloadedError } from '../store/errors';
import type {
  AppendCommand,
  AppendMultiCommand,
  AppendMultiResult,
  AppendResult,
} from '../store/event-store';
import type { Caller } from './call-scope';
import type { Connection } from './connections';
import type { Permitted, PermittedStore } from './permit';

/** What is made of the end of an append. In one place, since a promise more for each append shows in the cost of a session. */
export interface Ended<Result, Answer> {
  readonly succeeded: (result: Result) => Answer;
  readonly failed: (error: unknown) => Answer;
}

/** The appends of a store, bounded for each client connection: they fail with OverloadedError once it has too many under way. */
export interface ConnectionAppends {
  append<Answer>(
    command: Permitted<Sized<AppendCommand>>,
    call: Caller,
    ended: Ended<AppendResult, Answer>,
  ): Promise<Answer>;
  appendMulti<Answer>(
    command: Permitted<Sized<AppendMultiCommand>>,
    call: Caller,
    ended: Ended<AppendMultiResult, Answer>,
  ): Promise<Answer>;
}

export function createConnectionAppends(store: PermittedStore, limits: Limits): ConnectionAppends {
  return {
    append(command, call, ended) {
      const refusal = enter(call, command.bytes, limits);
      if (refusal !== undefined) return Promise.reject(refusal).catch(ended.failed);
      return leaving(call.connection, command.bytes, store.append(command, call), ended);
    },
    appendMulti(command, call, ended) {
      const refusal = enter(call, command.bytes, limits);
      if (refusal !== undefined) return Promise.reject(refusal).catch(ended.failed);
      return leaving(call.connection, command.bytes, store.appendMulti(command, call), ended);
    },
  };
}

/** Counts an append in, or says why not. */
function enter(
  { connection, orderSlot }: Caller,
  bytes: number,
  limits: Limits,
): OverloadedError | undefined {
  const refusal = refusalOf(connection, bytes, limits);
  if (refusal !== undefined) {
    // Now, since the next append of the order may begin before the caller learns of this.
    orderSlot?.fail();
    return refusal;
  }
  connection.appends++;
  connection.appendBytes += bytes;
  return undefined;
}

/** A connection without appends may begin with one of any size. */
function refusalOf(
  { appends, appendBytes }: Connection,
  bytes: number,
  limits: Limits,
): OverloadedError | undefined {
  if (appends >= limits.connectionAppendsMax) {
    return new OverloadedError(`${appends} appends of this connection are under way already`);
  }
  if (appends > 0 && appendBytes + bytes > limits.connectionAppendsBytesMax) {
    return new OverloadedError(`${appendBytes} bytes of appends of this connection are under way already`);
  }
  return undefined;
}

/** Not an async function, which would keep the events until the end. */
function leaving<Result, Answer>(
  connection: Connection,
  bytes: number,
  append: Promise<Result>,
  ended: Ended<Result, Answer>,
): Promise<Answer> {
  return append.then(
    (result) => {
      leave(connection, bytes);
      return ended.succeeded(result);
    },
    (error: unknown) => {
      leave(connection, bytes);
      return ended.failed(error);
    },
  );
}

function leave(connection: Connection, bytes: number): void {
  connection.appends--;
  connection.appendBytes -= bytes;
}

/** For `failed`: the caller of the append gets the error. */
export function rethrow(error: unknown): never {
  throw error;
}
