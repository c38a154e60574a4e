import { setMaxListeners } from 'node:events';
import { status, type Metadata } from '@grpc/grpc-js';
import { DeadlineExceededError, UnauthenticatedError } from './errors';

/** An API token or a JWT; or a function that returns one, for tokens that expire. */
export type Token = string | (() => string | Promise<string>);

/** The token function failed or took too long. A later call asks it again. */
export class TokenFunctionError extends UnauthenticatedError {
  constructor(cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the token function failed: ${why}`;
    super({ message, status: status.UNAUTHENTICATED, cause }, 'missing');
  }
}

/** The characters of a header, without spaces. The text itself must not appear in an error. */
const form = /^[\x21-\x7e]+$/;

/** Metadata with a token. Throws a TypeError for a token that cannot be sent. */
export function withBearer(metadata: Metadata, token: unknown): Metadata {
  if (typeof token !== 'string') throw new TypeError(`a token must be a string, not ${typeof token}`);
  if (!form.test(token))
    throw new TypeError('a token must have ASCII characters without spaces, and at least one of them');
  const copy = metadata.clone();
  copy.set('authorization', `Bearer ${token}`);
  return copy;
}

/** How long a call waits for a token. */
export interface Wait {
  readonly signal: AbortSignal | undefined;
  /** In milliseconds since 1970; Infinity: as long as the token function may take. */
  readonly endMs: number;
}

/** The tokens that a function returns: one at a time, which all calls share until a gateway refuses it. */
export class TokenSource {
  private current: Metadata | undefined;
  private asked: Promise<Metadata> | undefined;

  constructor(
    private readonly ask: Exclude<Token, string>,
    /** What every call sends beside the token. */
    private readonly metadata: Metadata,
    /** How long the function may take. */
    private readonly askMsMax: number,
    /** Ends the wait for the function. */
    private readonly closed: AbortSignal,
  ) {}

  /**
   * The metadata of a call. Fails with a TokenFunctionError, with a DeadlineExceededError if the call has to end first, or with the
   * signal's reason.
   */
  async forCall({ signal, endMs }: Wait): Promise<Metadata> {
    signal?.throwIfAborted();
    this.closed.throwIfAborted();
    if (this.current !== undefined) return this.current;
    this.asked ??= this.askAgain();
    const late = (): Error =>
      new DeadlineExceededError({
        message: 'the token function did not return before the deadline of the call',
        status: status.DEADLINE_EXCEEDED,
      });
    return await within(this.asked, endMs - Date.now(), late, signal);
  }

  /** Whether `error` says that the token in `metadata` is not accepted; another one is then asked for, once for all calls. */
  isRefused(error: unknown, metadata: Metadata): boolean {
    if (!(error instanceof UnauthenticatedError) || error.reason === 'missing') return false;
    if (this.current === metadata) this.current = undefined;
    return true;
  }

  private async askAgain(): Promise<Metadata> {
    try {
      const token = new Promise<string>((resolve) => {
        resolve(this.ask());
      });
      const late = (): Error => new Error(`it did not return within ${this.askMsMax} ms`);
      this.current = withBearer(this.metadata, await within(token, this.askMsMax, late, this.closed));
      return this.current;
    } catch (error) {
      this.closed.throwIfAborted();
      throw new TokenFunctionError(error);
    } finally {
      this.asked = undefined;
    }
  }
}

/** The longest time of a timer; with a longer one it would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** The result of a promise, unless the time ends or the signal aborts first. */
async function within<Result>(
  result: Promise<Result>,
  ms: number,
  late: () => Error,
  signal?: AbortSignal,
): Promise<Result> {
  let stop = (): void => undefined;
  const end = new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => {
      reject(signal?.reason as Error);
    };
    const onTime = (): void => {
      reject(late());
    };
    const timer = ms > timerMsMax ? undefined : setTimeout(onTime, ms);
    if (signal !== undefined) setMaxListeners(0, signal);
    signal?.addEventListener('abort', onAbort);
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  });
  try {
    return await Promise.race([result, end]);
  } finally {
    stop();
  }
}
