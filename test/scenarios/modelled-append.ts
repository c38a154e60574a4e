import {
  next,
  untried,
  type Action,
  type Base,
  type Event,
  type KnownHead,
  type State,
} from '../../src/jetstream/append/next';
import { sequence, version } from '../../src/store/values';

/** The head of a stream that has this number of commits, of one event each. */
export function headAt(commits: number): KnownHead {
  return { version: version(BigInt(commits)), sequence: sequence(BigInt(commits)) };
}

/**
 * An append, X, of which `next` decides, and a tiny model of the log that it goes to: a list of commits for each stream. What
 * happens to a request is up to the caller: it arrives or is lost, now or later, and so is its answer.
 */
export class ModelledAppend {
  state: State = untried;
  /** undefined: the append has not begun. */
  action: Action<Base> | undefined;
  isLate = false;
  /** Commit ids that the server remembers. */
  readonly remembered = new Set<string>();
  /** Attempts that are still on their way, by their base. */
  private readonly onTheirWay: Base[] = [];

  constructor(
    /** The commits of each stream, oldest first. */
    readonly streams: readonly string[][],
    /** The versions that the streams must have for X; undefined: any will do. */
    readonly expected?: readonly number[],
  ) {}

  get heads(): Base {
    return this.streams.map(({ length }) => headAt(length));
  }

  /** How often X is stored on each stream. */
  get copies(): number[] {
    return this.streams.map((commits) => commits.filter((commit) => commit === 'X').length);
  }

  get isDecided(): boolean {
    return this.action !== undefined && !['publish', 'lookUp', 'find'].includes(this.action.kind);
  }

  begin(base: Base | undefined): void {
    this.happen({ kind: 'begun', base });
  }

  happen(event: Event<Base>): void {
    ({ state: this.state, action: this.action } = next(this.state, event));
  }

  /** The request arrives, and its answer comes back. */
  arrives(): void {
    this.happen(this.truth());
  }

  /** Somebody else appends to a stream. */
  otherAppends(commit: string, stream = 0): void {
    this.streams[stream]?.push(commit);
  }

  /** The attempt gets no answer. `arrival`: whether it arrives before that is noticed, never, or some time after. */
  unanswered(arrival: 'before' | 'never' | 'after'): void {
    const { action } = this;
    if (action?.kind !== 'publish') throw new Error('there is no attempt');
    if (arrival === 'before') this.store(action.base);
    if (arrival === 'after') this.onTheirWay.push(action.base);
    this.happen({ kind: 'lost', cause: new Error('no answer') });
  }

  /** All that is on its way arrives. */
  lateOnesArrive(): void {
    for (const base of this.onTheirWay.splice(0)) this.store(base);
  }

  /** What becomes of the action if nothing gets lost. */
  private truth(): Event<Base> {
    const { action } = this;
    switch (action?.kind) {
      case 'publish':
        return this.store(action.base);
      case 'lookUp':
        return this.isLate ? { kind: 'late' } : this.lookUp();
      case 'find':
        return this.isStored() ? { kind: 'found', result: this.heads } : { kind: 'forgotten' };
      default:
        throw new Error('the append is decided');
    }
  }

  private lookUp(): Event<Base> {
    if (this.isStored()) return { kind: 'found', result: this.heads };
    const isConflict = this.expected?.some((version, stream) => version !== this.streams[stream]?.length);
    if (isConflict === true) return { kind: 'ruledOut', error: new Error('version conflict') };
    return { kind: 'unstored', base: this.heads };
  }

  /** As JetStream does: an id that it remembers first, then the check of the last sequence of every stream. */
  private store(base: Base): Extract<Event<Base>, { kind: 'stored' | 'duplicate' | 'conflict' }> {
    if (this.remembered.has('X')) return { kind: 'duplicate', sequence: undefined };
    const fits = this.streams.every(({ length }, stream) => base[stream]?.sequence === BigInt(length));
    if (!fits) return { kind: 'conflict' };
    for (const commits of this.streams) commits.push('X');
    this.remembered.add('X');
    return { kind: 'stored', result: this.heads };
  }

  private isStored(): boolean {
    return this.copies.some((copies) => copies > 0);
  }
}
