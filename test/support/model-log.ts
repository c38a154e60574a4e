import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { CancelledError, DeadlineExceededError } from '../../src/store/errors';
import type { CallContext, EventRun, StreamHead } from '../../src/store/event-store';
import type { StreamControl } from '../../src/store/stream-rules';
import {
  position,
  version,
  type CommitId,
  type Position,
  type StreamName,
  type UnixNanos,
} from '../../src/store/values';

/** A commit in the model. */
export interface Commit {
  readonly id: CommitId;
  readonly stream: StreamName;
  /** Of its first event; of a control, the version that the next event gets. */
  readonly firstVersion: bigint;
  readonly lastVersion: bigint;
  readonly position: Position;
  readonly time: UnixNanos;
  /** Complete except `position` and `commitTime`. */
  readonly events: readonly RecordedEvent[];
  /** What the commit asks for, if it is a control: then it has no events. */
  readonly control?: StreamControl;
  /** Its events are stubs. Absent: they are not. */
  readonly isErased?: true;
}

export function check({ signal, deadlineMs }: CallContext): void {
  if (performance.now() >= deadlineMs) throw new DeadlineExceededError('the deadline has passed');
  if (signal.aborted) throw new CancelledError('the caller has gone');
}

export function commitsOf(log: readonly Commit[], stream: StreamName): Commit[] {
  return log.filter((commit) => commit.stream === stream);
}

/** As appends give it: without what can be read of the stream. */
export function headOf(last: Commit | undefined): StreamHead {
  return {
    version: version(last?.lastVersion ?? 0n),
    position: last?.position ?? position(0n),
    commitTime: last?.time,
  };
}

export function keep(commit: Commit, wanted: (event: RecordedEvent) => boolean): Commit {
  return { ...commit, events: commit.events.filter(wanted) };
}

/** The commit without what an erasure takes away. */
export function erased(commit: Commit): Commit {
  return { ...commit, isErased: true, events: commit.events.map(stubOf) };
}

function stubOf({
  id,
  stream,
  version: number,
  type,
  position: at,
  commitTime,
}: RecordedEvent): RecordedEvent {
  return {
    id,
    stream,
    version: number,
    type,
    payload: undefined,
    contentType: '',
    correlationId: '',
    causationId: '',
    tags: [],
    metadata: new Map(),
    position: at,
    commitTime,
    erased: true,
  };
}

/** The events as they are sent. */
export function toRun({ position: at, time, events }: Commit): EventRun {
  const commitTime = { seconds: time / 1_000_000_000n, nanos: Number(time % 1_000_000_000n) };
  const sent = events.map((event) => ({ ...event, position: at, commitTime }));
  return { position: at, events: encode(sent), eventCount: events.length };
}

export function encode(events: readonly RecordedEvent[]): Uint8Array {
  return CommitRecord.encode({ events: [...events] }).finish();
}

/** Whether a name matches a NATS pattern: `*` is one token, a final `>` one or more. */
export function matches(pattern: string, name: string): boolean {
  const wanted = pattern.split('.');
  const tokens = name.split('.');
  const isOpen = wanted.at(-1) === '>';
  if (isOpen ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every(
    (token, index) => token === '*' || (token === '>' && isOpen) || token === tokens[index],
  );
}
