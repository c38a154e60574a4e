import { CompactingMap } from '../collections/compacting-map';

/** What an append asked for. */
interface Asked {
  readonly tag: bigint;
  /** Among the appends of its session. */
  readonly number: number;
  readonly expectedVersion: bigint | undefined;
  readonly mustExist: boolean;
  readonly eventCount: number;
}

/** The appends of a session to one stream that failed. */
class FailedAppends {
  /** The last one, and the version to which it would have led. */
  private last: { readonly append: Asked; readonly version: bigint } | undefined;
  /** The first one with which the stream would exist. */
  private first: Asked | undefined;

  add(append: Asked): void {
    const { number, expectedVersion, mustExist, eventCount } = append;
    if (eventCount === 0) return;
    if (expectedVersion !== undefined) this.last = { append, version: expectedVersion + BigInt(eventCount) };
    if (!mustExist && number < (this.first?.number ?? Infinity)) this.first = append;
  }

  /** An append has led to this version. */
  passed(version: bigint): void {
    if (this.last !== undefined && version >= this.last.version) this.last = undefined;
  }

  /** The tag of an earlier append whose success an append expected that met a conflict. */
  tagBefore({ number, expectedVersion, mustExist }: Asked): bigint | undefined {
    const { first, last } = this;
    const before = mustExist ? first : last?.version === expectedVersion ? last?.append : undefined;
    // A request that is not valid fails before those that were sent before it.
    return before !== undefined && before.number < number ? before.tag : undefined;
  }
}

/** A stream to which a session has appends. */
export interface SessionStream {
  readonly name: string;
  /** Appends on which others that the caller has sent may rely. */
  appends: number;
  /** undefined: none has. */
  failed: FailedAppends | undefined;
}

/** The streams of a session, as long as appends may rely on others that have failed. */
export class SessionStreams {
  private readonly streams = new CompactingMap<string, SessionStream>();
  /** Of each append whose answer the caller has taken, and on which one that waits may rely. */
  private taken: SessionStream[] = [];

  /** An append to a stream begins. */
  enter(name: string): SessionStream {
    const stream = this.streams.get(name) ?? { name, appends: 0, failed: undefined };
    this.streams.set(name, stream);
    stream.appends++;
    return stream;
  }

  /** The caller has taken the answers of an append to each of these; at most this many are kept. */
  leave(streams: readonly SessionStream[], keptMax: number): void {
    this.taken.push(...streams);
    for (const stream of this.taken.splice(0, Math.max(0, this.taken.length - keptMax))) {
      if (--stream.appends === 0) this.streams.delete(stream.name);
    }
  }
}

export function noteFailed(stream: SessionStream, append: Asked): void {
  stream.failed ??= new FailedAppends();
  stream.failed.add(append);
}
