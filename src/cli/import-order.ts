import {
  CancelledError,
  DeadlineExceededError,
  OutcomeUnknownError,
  OverloadedError,
  UnavailableError,
  type AppendSession,
} from '../client/client';
import type { Context } from './command';
import { commitIdOf, type ExportedAppend, type ExportedCommit } from './export-format';
import { CommandError, LineError } from './failure';

/** A commit of an export. */
export interface Step {
  readonly commit: ExportedCommit;
  /** Where it stands in the file. */
  readonly line: number;
  /** Bytes of the line. */
  readonly size: number;
  /** Bytes of the file, so far. */
  readonly bytes: number;
}

export interface StoredStep {
  readonly step: Step;
  /** It was there already. */
  readonly replayed: boolean;
}

interface Stored {
  readonly position: bigint;
  readonly replayed: boolean;
}

interface Sent {
  readonly step: Step;
  readonly result: Promise<Stored>;
}

/** Commits that are sent before their answers have come: enough for a sync that they share to cost each of them little. */
const windowCommitsMax = 256;
/** Bytes of their lines, but for one larger commit: about what a gateway takes of a session at a time. */
const windowBytesMax = 4 << 20;
/** As long as a call of the client takes at most. */
const answerTimeoutMs = 15_000;

/**
 * Stores the commits one after another in this order, and gives each once it is stored. When an answer is lost it sends the
 * commit and those behind it again. Throws LineError for the first commit that is not stored; none behind it is then, unless the
 * gateway could not be reached. What `steps` throws is thrown when all that came before is stored.
 */
export async function* storeInOrder(
  context: Context,
  steps: AsyncIterable<Step>,
): AsyncGenerator<StoredStep, void> {
  const window = new Window(context);
  let failure: { readonly reason: unknown } | undefined;
  const sound = untilBroken(steps, (reason) => (failure = { reason }));
  try {
    for await (const step of sound) {
      // What is sent together shares the questions that it causes.
      if (!window.hasRoomFor(step)) while (!window.hasRoomFor(step, 0.5)) yield await window.next();
      window.send(step);
    }
    while (!window.isEmpty) yield await window.next();
  } finally {
    window.end();
  }
  if (failure !== undefined) throw failure.reason;
}

async function* untilBroken(
  steps: AsyncIterable<Step>,
  onError: (reason: unknown) => void,
): AsyncGenerator<Step, void> {
  try {
    yield* steps;
  } catch (reason) {
    onError(reason);
  }
}

/** Commits that were sent and have not been given yet, in order. */
class Window {
  private sent: Sent[] = [];
  private bytes = 0;
  private session: { readonly appends: AppendSession; readonly control: AbortController } | undefined;
  /** Of the last commit that was not there before. */
  private position = 0n;

  constructor(private readonly context: Context) {}

  get isEmpty(): boolean {
    return this.sent.length === 0;
  }

  /** In a share of it. A step over several streams is a call of its own, and goes alone. */
  hasRoomFor(step: Step, share = 1): boolean {
    const [oldest] = this.sent;
    if (oldest === undefined) return true;
    if (isOverStreams(step) || isOverStreams(oldest.step)) return false;
    return this.sent.length < share * windowCommitsMax && this.bytes + step.size <= share * windowBytesMax;
  }

  send(step: Step): void {
    const result = isOverStreams(step) ? this.call(step) : this.pipeline(step);
    result.catch(() => undefined); // `next` has the error
    this.sent.push({ step, result });
    this.bytes += step.size;
  }

  /** The oldest one, as soon as it is stored. */
  async next(): Promise<StoredStep> {
    const [oldest] = this.sent as [Sent];
    const { step } = oldest;
    let stored: Stored;
    try {
      stored = (await this.answer(oldest)) ?? (await this.again(step));
    } catch (error) {
      this.context.signal.throwIfAborted();
      throw new LineError(step.line, error);
    }
    this.sent.shift();
    this.bytes -= step.size;
    this.check(stored, step);
    return { step, replayed: stored.replayed };
  }

  /** Takes no more. */
  end(): void {
    this.session?.control.abort();
    this.session = undefined;
  }

  /** undefined: nobody knows what became of it, or it is not stored for now. */
  private async answer({ result }: Sent): Promise<Stored | undefined> {
    const { session } = this;
    const timer = setTimeout(() => session?.control.abort(), this.context.deadlineMs ?? answerTimeoutMs);
    try {
      return await result;
    } catch (error) {
      if (session?.control.signal.aborted === true || isUndecided(error)) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** By a call, which is repeated until it is decided; those behind it follow in a new session. */
  private async again(step: Step): Promise<Stored> {
    this.context.signal.throwIfAborted();
    this.end();
    await Promise.allSettled(this.sent.map(({ result }) => result));
    const stored = await this.call(step);
    const [oldest, ...others] = this.sent as [Sent, ...Sent[]];
    this.sent = [oldest];
    this.bytes = oldest.step.size;
    for (const other of others) this.send(other.step);
    return stored;
  }

  private async call({ commit }: Step): Promise<Stored> {
    const { client, deadlineMs, signal } = this.context;
    const appends = commit.appends.map((append) => ({
      stream: append.stream,
      events: append.events,
      expectedVersion: expectedVersionOf(append),
    }));
    return client.appendMulti(appends, { commitId: commitIdOf(commit), deadlineMs, signal });
  }

  private pipeline({ commit }: Step): Promise<Stored> {
    this.session ??= this.open();
    const [append] = commit.appends as [ExportedAppend];
    return this.session.appends.append(append.stream, append.events, {
      expectedVersion: expectedVersionOf(append),
      commitId: commitIdOf(commit),
    });
  }

  private open(): Exclude<Window['session'], undefined> {
    const { client, signal } = this.context;
    const control = new AbortController();
    const appends = client.appendSession({
      inOrder: true,
      signal: AbortSignal.any([signal, control.signal]),
    });
    return { appends, control };
  }

  /** What a gateway promises that knows `in_order`. */
  private check({ position, replayed }: Stored, { line }: Step): void {
    if (replayed) return;
    if (position <= this.position) {
      throw new CommandError(
        `line ${line}: the gateway has stored it before commits that precede it; an older one does not keep their order`,
      );
    }
    this.position = position;
  }
}

function isOverStreams({ commit }: Step): boolean {
  return commit.appends.length > 1;
}

/** The commit is not stored for now, or nobody knows. */
function isUndecided(error: unknown): boolean {
  const kinds = [
    UnavailableError,
    OverloadedError,
    OutcomeUnknownError,
    DeadlineExceededError,
    CancelledError,
  ];
  return kinds.some((kind) => error instanceof kind);
}

function expectedVersionOf({ firstVersion }: ExportedAppend): bigint {
  return firstVersion - 1n;
}
