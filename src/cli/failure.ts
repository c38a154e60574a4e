import {
  OutcomeUnknownError,
  SluiceError,
  UnauthenticatedError,
  UnavailableError,
  type SluiceErrorCode,
} from '../client/client';
import { TokenFunctionError } from '../client/token';
import { KeyError, type KeyErrorCode } from '../keys/key-error';

/** The exit codes of all commands, explained in help.ts and docs/command-line.md. */
export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  conflict: 3,
  unavailable: 4,
  unknown: 5,
  access: 6,
} as const;

/** An error that ends a command with its message. */
export abstract class CliError extends Error {
  abstract readonly exitCode: number;
}

/** The command line is not valid. */
export class UsageError extends CliError {
  readonly exitCode = exitCode.usage;
}

/** The command failed for a reason that its message explains. */
export class CommandError extends CliError {
  readonly exitCode = exitCode.failure;
}

/** A line of a file failed. */
export class LineError extends Error {
  constructor(
    readonly line: number,
    override readonly cause: unknown,
  ) {
    super(`line ${line}`);
  }
}

/** The command got a signal to end. */
export class InterruptedError extends Error {
  constructor(readonly signalNumber: number) {
    super('interrupted');
  }
}

/** How the process ends after an error. */
export interface Ending {
  readonly code: number;
  /** undefined: nothing is printed. */
  readonly message: string | undefined;
}

/** `address` is that of the gateway. undefined: an error that only a bug can cause. */
export function endingOf(error: unknown, address: string): Ending | undefined {
  if (error instanceof InterruptedError) return { code: 128 + error.signalNumber, message: undefined };
  if (error instanceof LineError) return endingOfLine(error, address);
  if (error instanceof CliError) return { code: error.exitCode, message: error.message };
  if (error instanceof SluiceError) return { code: codes[error.code], message: messageOf(error, address) };
  if (error instanceof KeyError) return { code: keyCodes[error.code], message: error.message };
  // Arguments that the client cannot send.
  if (error instanceof RangeError) return { code: exitCode.usage, message: error.message };
  if (isSystemError(error)) return { code: exitCode.failure, message: error.message };
  return undefined;
}

function endingOfLine({ line, cause }: LineError, address: string): Ending | undefined {
  const ending = endingOf(cause, address);
  // The advice to repeat a command with --commit-id is not for a line.
  const message = cause instanceof OutcomeUnknownError ? cause.message : ending?.message;
  return ending && { ...ending, message: `line ${line}: ${message ?? ''}` };
}

const codes = {
  INVALID_REQUEST: exitCode.usage,
  VERSION_CONFLICT: exitCode.conflict,
  APPEND_CONDITION_FAILED: exitCode.conflict,
  CONDITION_CONTENDED: exitCode.unavailable,
  COMMIT_ID_REUSE: exitCode.conflict,
  STORE_UNAVAILABLE: exitCode.unavailable,
  REPLICA_FILLING: exitCode.unavailable,
  UNAVAILABLE: exitCode.unavailable,
  OVERLOADED: exitCode.unavailable,
  DEADLINE_EXCEEDED: exitCode.unavailable,
  CANCELLED: exitCode.unavailable,
  OUTCOME_UNKNOWN: exitCode.unknown,
  STORE_FULL: exitCode.failure,
  STORE_REFUSED: exitCode.failure,
  STORE_MISMATCH: exitCode.failure,
  UNREADABLE_COMMIT: exitCode.failure,
  NOT_PERMITTED: exitCode.failure,
  UNAUTHENTICATED: exitCode.access,
  ACCESS_DENIED: exitCode.access,
  QUOTA_EXCEEDED: exitCode.unavailable,
  INCOMPLETE_READ: exitCode.failure,
  GROUP_NOT_FOUND: exitCode.failure,
  GROUP_EXISTS: exitCode.conflict,
  GROUP_CHANGED: exitCode.conflict,
  GROUP_HAS_MEMBERS: exitCode.conflict,
  GROUP_AHEAD_OF_STORE: exitCode.failure,
  GROUP_STATE_UNREADABLE: exitCode.failure,
  POSITION_BEYOND_END: exitCode.usage,
  MEMBER_EXISTS: exitCode.conflict,
  MEMBER_STALLED: exitCode.failure,
  DELIVERY_NOT_HELD: exitCode.failure,
  STREAM_NOT_FOUND: exitCode.failure,
  STREAM_TOMBSTONED: exitCode.conflict,
  VERSION_BEYOND_END: exitCode.usage,
  ERASE_SPLITS_COMMIT: exitCode.usage,
  STORE_IMMUTABLE: exitCode.failure,
  INTERNAL: exitCode.failure,
} as const satisfies Record<SluiceErrorCode, number>;

const keyCodes = {
  KEY_UNKNOWN: exitCode.failure,
  DECRYPTION_FAILED: exitCode.failure,
  ENVELOPE_INVALID: exitCode.failure,
  KEY_STORE_UNAVAILABLE: exitCode.unavailable,
  KEY_STORE_UNSAFE: exitCode.failure,
  KEY_STORE_DAMAGED: exitCode.failure,
  KEY_STORE_LOCKED: exitCode.failure,
  KEY_LIMIT_REACHED: exitCode.failure,
} as const satisfies Record<KeyErrorCode, number>;

/** Whether it is certain that the commit is not stored. */
export function isDefinite(error: unknown): boolean {
  if (error instanceof LineError) return isDefinite(error.cause);
  if (error instanceof SluiceError)
    return codes[error.code] === exitCode.conflict || codes[error.code] === exitCode.usage;
  return error instanceof CommandError;
}

/** Whether the same request may succeed later, or its outcome is not known. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof SluiceError)) return false;
  return codes[error.code] === exitCode.unavailable || codes[error.code] === exitCode.unknown;
}

function messageOf(error: SluiceError, address: string): string {
  if (error instanceof UnavailableError && error.code === 'UNAVAILABLE') {
    return `the gateway at ${address} cannot be reached: ${error.message}`;
  }
  if (error instanceof OutcomeUnknownError) {
    return `${error.message}: repeat it with --commit-id=${error.commitId}, the same event ids and the same --expected-version`;
  }
  if (error instanceof TokenFunctionError && error.cause instanceof Error)
    return `there is no token: ${error.cause.message}`;
  if (error instanceof UnauthenticatedError && error.reason === 'missing')
    return `${error.message}; a token comes from --token-file or SLUICE_TOKEN_FILE`;
  return error.message;
}

/** An error of the operating system, for instance for a file that does not exist. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
