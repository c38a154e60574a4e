import { UnauthenticatedError, VersionConflictError, type AppendSession } from '../client/client';
import type { Context } from './command';
import { commitIdOf } from './control-format';
import type { ExportedAppend, ExportedCommit } from './export-format';
import { CommandError, LineError, mayPass } from './failure';
import type { Controls } from './import-controls';

/** A commit in the file of an export. */
export interface FileCommit {
  readonly commit: ExportedCommit;
  /** The number of its line. */
  readonly line: number;
  /** The size of the line in bytes. */
  readonly size: number;
  /** The bytes of the file up to the end of the line. */
  readonly bytes: number;
}

export interface StoredCommit {
  readonly read: FileCommit;
  /** The commit was already in the store. */
  readonly replayed: boolean;
}

interface Stored {
  readonly position: bigint;
  readonly replayed: boolean;
}

interface Sent {
  readonly read: FileCommit;
  readonly result: Promise<Stored>;
}

/** Commits that are sent before their responses arrive: enough of them to share the cost of a sync. */
const windowCommitsMax = 256;
/** The bytes of their lines, unless a single commit is larger: about what a gateway accepts of a session at a time. */
const windowBytesMax = 4 << 20;
/** The default deadline of a call of the client. */
const responseTimeoutMs = 15_000;

/**
 * Stores the commits one after the other in this order, and yields each when it is stored. When a response is lost, it sends that
 * commit and the later ones again. Throws LineError for the first commit that is not stored; no later one is stored then, unless
 * the gateway could not be reached. An error of `commits` is thrown when all commits before it are stored.
 */
export async function* storeInOrder(
  context: Context,
  commits: AsyncIterable<FileCommit>,
  controls: Controls,
): AsyncGenerator<StoredCommit, void> {
  const window = new Window(context, controls);
  let failure: { readonly reason: unknown } | undefined;
  const sound = untilBroken(commits, (reason) => (failure = { reason }));
  try {
    for await (const read of sound) {
      // Commits that are sent together share requests to NATS.
      if (!window.fits(read)) while (!window.fits(read, 0.5)) yield await window.next();
      window.send(read);
    }
    while (!window.isEmpty) yield await window.next();
  } finally {
    window.end();
  }
  if (failure !== undefined) throw failure.reason;
}

async function* untilBroken(
  commits: AsyncIterable<FileCommit>,
  onError: (reason: unknown) => void,
): AsyncGenerator<FileCommit, void> {
  try {
    yield* commits;
  } catch (reason) {
    onError(reason);
  }
}

/** The commits that were sent and not yet returned by `next`, in order. */
class Window {
  private sent: Sent[] = [];
  private bytes = 0;
  private session: { readonly appends: AppendSession; readonly control: AbortController } | undefined;
  /** The position of the last commit that was not in the store before. */
  private position = 0n;

  constructor(
    private readonly context: Context,
    private readonly controls: Controls,
  ) {}

  get isEmpty(): boolean {
    return this.sent.length === 0;
  }

  /** Whether a commit fits into this share of the window. A transaction over several streams is sent alone. */
  fits(read: FileCommit, share = 1): boolean {
    const [oldest] = this.sent;
    if (oldest === undefined) return true;
    if (isOverStreams(read) || isOverStreams(oldest.read)) return false;
    return this.sent.length < share * windowCommitsMax && this.bytes + read.size <= share * windowBytesMax;
  }

  send(read: FileCommit): void {
    const result = isOverStreams(read) ? this.call(read) : this.pipeline(read);
    result.catch(() => undefined); // `next` has the error
    this.sent.push({ read, result });
    this.bytes += read.size;
  }

  /** The oldest commit, as soon as it is stored. */
  async next(): Promise<StoredCommit> {
    const [oldest] = this.sent as [Sent];
    const { read } = oldest;
    let stored: Stored;
    try {
      stored = (await this.outcome(oldest)) ?? (await this.sendAgain(read));
    } catch (error) {
      this.context.signal.throwIfAborted();
      throw new LineError(read.line, error);
    }
    this.sent.shift();
    this.bytes -= read.size;
    this.check(stored, read);
    return { read, replayed: stored.replayed };
  }

  end(): void {
    this.session?.control.abort();
    this.session = undefined;
  }

  /** undefined: the outcome is not known, or the commit is not stored but may be later. */
  private async outcome({ read, result }: Sent): Promise<Stored | undefined> {
    const { session } = this;
    const timer = setTimeout(() => session?.control.abort(), this.context.deadlineMs ?? responseTimeoutMs);
    try {
      return await result;
    } catch (error) {
      // A session ends when its token expires; a call gets a new one.
      const mayHelp = mayPass(error) || error instanceof UnauthenticatedError;
      if (session?.control.signal.aborted === true || mayHelp) return undefined;
      // A control that came while the export began hides what the header does not know of.
      if (error instanceof VersionConflictError && (await this.controls.afterConflict(read.commit)))
        return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** By a call, which the client repeats until its outcome is known; the later commits follow in a new session. */
  private async sendAgain(read: FileCommit): Promise<Stored> {
    this.context.signal.throwIfAborted();
    this.end();
    await Promise.allSettled(this.sent.map(({ result }) => result));
    const stored = await this.call(read);
    const [oldest, ...others] = this.sent as [Sent, ...Sent[]];
    this.sent = [oldest];
    this.bytes = oldest.read.size;
    for (const other of others) this.send(other.read);
    return stored;
  }

  private async call({ commit }: FileCommit): Promise<Stored> {
    const { client, deadlineMs, signal } = this.context;
    const appends = commit.appends.map((append) => ({
      stream: append.stream,
      events: append.events,
      expectedVersion: expectedVersionOf(append),
    }));
    return client.appendMulti(appends, { commitId: commitIdOf(commit), deadlineMs, signal });
  }

  private pipeline({ commit }: FileCommit): Promise<Stored> {
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

  /** A gateway keeps the order if it knows `in_order`. */
  private check({ position, replayed }: Stored, { line }: FileCommit): void {
    if (replayed) return;
    if (position <= this.position) {
      throw new CommandError(
        `line ${line}: the gateway stored this commit before earlier ones; import through a newer gateway, which keeps their order`,
      );
    }
    this.position = position;
  }
}

function isOverStreams({ commit }: FileCommit): boolean {
  return commit.appends.length > 1;
}

function expectedVersionOf({ firstVersion }: ExportedAppend): bigint {
  return firstVersion - 1n;
}
