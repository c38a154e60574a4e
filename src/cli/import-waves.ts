import {
  DeadlineExceededError,
  OutcomeUnknownError,
  OverloadedError,
  UnavailableError,
} from '../client/client';
import type { Context } from './command';
import { commitIdOf, type ExportedAppend, type ExportedCommit } from './export-format';

/** A commit of an export. */
export interface Step {
  readonly commit: ExportedCommit;
  /** Of the file, so far. */
  readonly bytes: number;
}

/** Commits that may be stored side by side, in the order of the export. At least one. */
export interface Wave {
  readonly commits: readonly ExportedCommit[];
  /** Of the file, so far. */
  readonly bytes: number;
}

/** Commits of a wave: more make it hardly faster, and leave more in doubt if the import is ended. */
export const waveCommitsMax = 256;
/** Bytes of its lines, but for one larger commit: well below what a gateway takes of a session at a time. */
const waveBytesMax = 1 << 20;

/** Commits that follow each other, up to one that must not be stored before one of them. */
export async function* wavesOf(steps: AsyncIterable<Step>, commitsMax: number): AsyncGenerator<Wave, void> {
  let commits: ExportedCommit[] = [];
  let taken = new Set<string>();
  let [begin, end] = [0, 0];
  for await (const { commit, bytes } of steps) {
    const mustWait = bytes - begin > waveBytesMax || isStep(commit) || hangsOn(commit, taken);
    if (commits.length > 0 && mustWait) {
      yield { commits, bytes: end };
      [commits, taken, begin] = [[], new Set(), end];
    }
    commits.push(commit);
    for (const key of keysOf(commit)) taken.add(key);
    end = bytes;
    if (commits.length < commitsMax && !isStep(commit)) continue;
    yield { commits, bytes: end };
    [commits, taken, begin] = [[], new Set(), end];
  }
  if (commits.length > 0) yield { commits, bytes: end };
}

function isStep({ appends }: ExportedCommit): boolean {
  return appends.length > 1;
}

/** What later commits may have in common with this one. */
function* keysOf({ appends }: ExportedCommit): Generator<string> {
  for (const { stream, events } of appends) {
    yield `stream ${stream}`;
    for (const { id = '', correlationId = id } of events) {
      yield `event ${id}`;
      yield `correlation ${correlationId}`;
    }
  }
}

/** Whether the commit is on the same stream, has the same correlation id or has its cause in what is taken. */
function hangsOn({ appends }: ExportedCommit, taken: ReadonlySet<string>): boolean {
  return appends.some(
    ({ stream, events }) =>
      taken.has(`stream ${stream}`) ||
      events.some(
        ({ id = '', correlationId = id, causationId = id }) =>
          taken.has(`correlation ${correlationId}`) || taken.has(`event ${causationId}`),
      ),
  );
}

export interface WaveResult {
  readonly stored: readonly ExportedCommit[];
  /** How many of them were stored before. */
  readonly replayed: number;
  /** Of the first commit that is not among them; undefined: all are. */
  readonly error: Error | undefined;
}

/** Sends all commits of a wave, and waits for all answers. What is in doubt then is sent again, one by one. */
export async function storeWave(context: Context, { commits }: Wave): Promise<WaveResult> {
  const sent = commits.length > 1 ? await sendTogether(context, commits) : [];
  const stored: ExportedCommit[] = [];
  let replayed = 0;
  let error: Error | undefined;
  for (const [index, commit] of commits.entries()) {
    try {
      const result = await decided(context, commit, sent[index], error !== undefined);
      stored.push(commit);
      if (result.replayed) replayed++;
    } catch (reason) {
      error ??= reason as Error;
    }
  }
  return { stored, replayed, error };
}

interface Stored {
  readonly replayed: boolean;
}

/** Of a call of its own, unless the commit has been sent and needs none, or `isOver`: the import fails anyway. */
async function decided(
  { client, deadlineMs, signal }: Context,
  commit: ExportedCommit,
  sent: PromiseSettledResult<Stored> | undefined,
  isOver: boolean,
): Promise<Stored> {
  if (sent?.status === 'fulfilled') return sent.value;
  if (sent !== undefined && (isOver || !isUndecided(sent.reason))) throw sent.reason;
  const appends = commit.appends.map((append) => ({
    stream: append.stream,
    events: append.events,
    expectedVersion: expectedVersionOf(append),
  }));
  return client.appendMulti(appends, { commitId: commitIdOf(commit), deadlineMs, signal });
}

/** The commit is not stored for now, or nobody knows. */
function isUndecided(error: unknown): boolean {
  const kinds = [UnavailableError, OverloadedError, OutcomeUnknownError, DeadlineExceededError];
  return kinds.some((kind) => error instanceof kind);
}

/** Commits of one stream each, all of other streams: what is stored of one does not hang on another. */
async function sendTogether(
  { client, deadlineMs, signal }: Context,
  commits: readonly ExportedCommit[],
): Promise<PromiseSettledResult<Stored>[]> {
  const session = client.appendSession({ deadlineMs, signal });
  const results = Promise.allSettled(
    commits.map((commit) => {
      const [append] = commit.appends as [ExportedAppend];
      return session.append(append.stream, append.events, {
        expectedVersion: expectedVersionOf(append),
        commitId: commitIdOf(commit),
      });
    }),
  );
  await session.close().catch(() => undefined); // each append has the error too
  return results;
}

function expectedVersionOf({ firstVersion }: ExportedAppend): bigint {
  return firstVersion - 1n;
}
