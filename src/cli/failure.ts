import {
  CancelledError,
  CommitIdReuseError,
  DeadlineExceededError,
  InvalidRequestError,
  OutcomeUnknownError,
  OverloadedError,
  SluiceError,
  UnavailableError,
  VersionConflictError,
} from '../client/client';

/** What a command ends with; explained in help.ts and docs/command-line.md. */
export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  conflict: 3,
  unavailable: 4,
  unknown: 5,
} as const;

/** The command line says something that cannot be done. */
export class UsageError extends Error {}

/** The command cannot do what it was asked for; the message is for people. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly code: number = exitCode.failure,
  ) {
    super(message);
  }
}

/** What happened to a line of a file. */
export class LineError extends Error {
  constructor(
    readonly line: number,
    override readonly cause: unknown,
  ) {
    super(`line ${line}`);
  }
}

/** A signal asked the command to end. */
export class InterruptedError extends Error {
  constructor(readonly signalNumber: number) {
    super('interrupted');
  }
}

/** How the process ends after an error, and what is said of it; undefined: nothing. */
export interface Ending {
  readonly code: number;
  readonly message: string | undefined;
}

/** `address` is where the gateway was looked for. undefined: an error that only a bug can cause. */
export function endingOf(error: unknown, address: string): Ending | undefined {
  if (error instanceof InterruptedError) return { code: 128 + error.signalNumber, message: undefined };
  if (error instanceof UsageError) return { code: exitCode.usage, message: error.message };
  if (error instanceof CommandError) return { code: error.code, message: error.message };
  if (error instanceof LineError) {
    const { line, cause } = error;
    const ending = endingOf(cause, address);
    // What `append` would have to be given means nothing here.
    const message = cause instanceof OutcomeUnknownError ? cause.message : ending?.message;
    return ending && { ...ending, message: `line ${line}: ${message ?? ''}` };
  }
  if (error instanceof SluiceError) return { code: codeOf(error), message: messageOf(error, address) };
  // Arguments that the client cannot send.
  if (error instanceof RangeError) return { code: exitCode.usage, message: error.message };
  if (isSystemError(error)) return { code: exitCode.failure, message: error.message };
  return undefined;
}

/** Whether it leaves nothing open: what it is about is not stored. */
export function isDefinite(error: unknown): boolean {
  if (error instanceof LineError) return isDefinite(error.cause);
  const kinds = [VersionConflictError, CommitIdReuseError, InvalidRequestError, CommandError];
  return kinds.some((kind) => error instanceof kind);
}

function codeOf(error: SluiceError): number {
  if (error instanceof VersionConflictError || error instanceof CommitIdReuseError) return exitCode.conflict;
  if (error instanceof InvalidRequestError) return exitCode.usage;
  if (error instanceof OutcomeUnknownError) return exitCode.unknown;
  const mayPass = [UnavailableError, OverloadedError, DeadlineExceededError, CancelledError];
  return mayPass.some((kind) => error instanceof kind) ? exitCode.unavailable : exitCode.failure;
}

function messageOf(error: SluiceError, address: string): string {
  if (error instanceof UnavailableError && error.code === 'UNAVAILABLE') {
    return `the gateway at ${address} cannot be reached: ${withoutNote(error.message)}`;
  }
  if (error instanceof OutcomeUnknownError) {
    return `${error.message}: --commit-id=${error.commitId}, and the same event ids and --expected-version`;
  }
  return error.message;
}

/** What gRPC says of a gateway that it cannot reach ends with the heading of a note, also where there is none. */
export function withoutNote(message: string): string {
  return message.replace(/\s*Resolution note:\s*$/, '');
}

/** An error of the operating system, for instance for a file that is not there. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
