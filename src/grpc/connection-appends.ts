import { QuotaExceededError } from '../auth/errors';
import type { StreamAction } from '../auth/permissions';
import type { Limits } from '../limits';
import type { Sized } from '../requests/append';
import { OverloadedError } from '../store/errors';
import type {
  AppendCommand,
  AppendMultiCommand,
  AppendMultiResult,
  AppendResult,
  StreamAppend,
} from '../store/event-store';
import { noVersion } from '../store/values';
import { auditFull, type CallAudit } from './call-audit';
import type { Caller } from './call-scope';
import type { Connection } from './connections';
import type { PermittedStore } from './permit';
import type { Permitted } from './permitted';

/** What is made of the end of an append. In one place, since a promise more for each append shows in the cost of a session. */
export interface Ended<Result, Answer> {
  succeeded(result: Result): Answer;
  failed(error: unknown): Answer;
}

/**
 * The appends of a store, bounded for each client connection and for each principal, and recorded in the audit log. They fail with
 * OverloadedError once a connection has too many under way, with QuotaExceededError once a principal has used up one of its limits.
 */
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

export interface ConnectionAppendsOptions {
  readonly store: PermittedStore;
  readonly audit: CallAudit;
  readonly limits: Limits;
}

export function createConnectionAppends(options: ConnectionAppendsOptions): ConnectionAppends {
  const { store } = options;
  return {
    append(command, call, ended) {
      const underWay = begin(call, command, options);
      if (underWay instanceof Error) return refused(underWay, ended);
      const { newStreamRefusal } = underWay;
      const given = newStreamRefusal === undefined ? command : { ...command, newStreamRefusal };
      return leaving(underWay, store.append(given, call), ended);
    },
    appendMulti(command, call, ended) {
      const underWay = begin(call, command, options);
      if (underWay instanceof Error) return refused(underWay, ended);
      const { newStreamRefusal } = underWay;
      const refusing = (append: StreamAppend): StreamAppend => ({ ...append, newStreamRefusal });
      const given =
        newStreamRefusal === undefined ? command : { ...command, appends: command.appends.map(refusing) };
      return leaving(underWay, store.appendMulti(given, call), ended);
    },
  };
}

function refused<Result, Answer>(refusal: Error, ended: Ended<Result, Answer>): Promise<Answer> {
  return Promise.reject(refusal).catch((error: unknown) => ended.failed(error));
}

type Command = Sized<AppendCommand> | Sized<AppendMultiCommand>;

function isOne(command: Command): command is Sized<AppendCommand> {
  return 'stream' in command;
}

function storesNothing(command: Command): boolean {
  return command.validateOnly === true || (isOne(command) && command.events.length === 0);
}

/** Counts an append in, or says why not. */
function begin(
  call: Caller,
  command: Command,
  { audit, limits }: ConnectionAppendsOptions,
): UnderWay | OverloadedError | QuotaExceededError {
  const entered = enter(call, command, limits);
  const refusal = entered instanceof Error ? entered : entered.record(audit, command);
  if (refusal === undefined) return entered;
  // Now, since the next append of the order may begin before the caller learns of this.
  call.orderSlot?.fail();
  return refusal;
}

function enter(
  call: Caller,
  command: Command,
  limits: Limits,
): UnderWay | OverloadedError | QuotaExceededError {
  const { connection, share } = call;
  const { bytes } = command;
  const refusal = refusalOf(connection, bytes, limits);
  if (refusal !== undefined) return refusal;
  if (share === undefined) return new UnderWay(call, bytes, undefined);
  const own = call.access.permissions.limits;
  const newStreamRefusal = share.newStreamRefusal(own);
  if (newStreamRefusal !== undefined && creates(command)) return newStreamRefusal;
  return share.enterAppend(bytes, own) ?? new UnderWay(call, bytes, newStreamRefusal);
}

/** Whether a stream that it writes must not exist yet. */
function creates(command: Command): boolean {
  if (isOne(command)) return command.expected === noVersion && command.events.length > 0;
  return command.appends.some(({ expected }) => expected === noVersion);
}

/** A connection without appends may begin with one of any size. */
function refusalOf(
  { appends, appendBytes }: Connection,
  bytes: number,
  limits: Limits,
): OverloadedError | undefined {
  if (appends >= limits.connectionAppendsMax) {
    return new OverloadedError(
      'connectionAppendsMax',
      `${appends} appends of this connection are under way already`,
    );
  }
  if (appends > 0 && appendBytes + bytes > limits.connectionAppendsBytesMax) {
    return new OverloadedError(
      'connectionAppendsBytesMax',
      `${appendBytes} bytes of appends of this connection are under way already`,
    );
  }
  return undefined;
}

/** An append that is counted in. It keeps none of the events. */
class UnderWay {
  /** undefined: it is not recorded. */
  private line: AuditLine | undefined;

  constructor(
    private readonly call: Caller,
    private readonly bytes: number,
    /** Why it may not create a stream; undefined: it may. */
    readonly newStreamRefusal: QuotaExceededError | undefined,
  ) {
    call.connection.appends++;
    call.connection.appendBytes += bytes;
  }

  /** Reserves its line in the audit log, if it gets one; or says why the append must not be stored. */
  record(audit: CallAudit, command: Command): OverloadedError | undefined {
    if (!audit.hasWrites) return undefined;
    const streams = isOne(command) ? [command.stream] : command.appends.map(({ stream }) => stream);
    const reserved = audit.reserve(streams);
    if (reserved === undefined) {
      this.leave();
      return auditFull();
    }
    const action = storesNothing(command) ? 'read' : 'append';
    this.line = { audit, streams, action, reserved };
    return undefined;
  }

  succeed(result: AppendResult | AppendMultiResult): void {
    this.leave();
    this.call.share?.chargeNewStreams(newStreamsOf(result), this.call.access.permissions.limits);
    if (this.line !== undefined) this.write(this.line, result);
  }

  fail(error: unknown): void {
    this.leave();
    if (this.line !== undefined) this.write(this.line, { error });
  }

  private write(line: AuditLine, end: Parameters<CallAudit['appended']>[2]): void {
    line.audit.appended(this.call, line, end, line.reserved);
  }

  private leave(): void {
    const { bytes } = this;
    const { connection, share } = this.call;
    connection.appends--;
    connection.appendBytes -= bytes;
    share?.leaveAppend(bytes);
  }
}

/** What is known of the line of an append before it ends. */
interface AuditLine {
  readonly audit: CallAudit;
  readonly streams: readonly string[];
  /** `read`: it stores nothing. */
  readonly action: StreamAction;
  /** Bytes. */
  readonly reserved: number;
}

const firstVersion = 1n;

function newStreamsOf(result: AppendResult | AppendMultiResult): number {
  if (result.replayed || result.commitId === undefined) return 0;
  if (!('streams' in result)) return result.firstVersion === firstVersion ? 1 : 0;
  return result.streams.filter((stream) => stream.firstVersion === firstVersion).length;
}

/** Not an async function, which would keep the events until the end. */
function leaving<Result extends AppendResult | AppendMultiResult, Answer>(
  underWay: UnderWay,
  append: Promise<Result>,
  ended: Ended<Result, Answer>,
): Promise<Answer> {
  return append.then(
    (result) => {
      underWay.succeed(result);
      return ended.succeeded(result);
    },
    (error: unknown) => {
      underWay.fail(error);
      return ended.failed(error);
    },
  );
}

/** For `failed`: the caller of the append gets the error. */
export function rethrow(error: unknown): never {
  throw error;
}
