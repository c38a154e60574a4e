import type { StreamRules } from '../../store/stream-rules';
import type { Sequence, Version } from '../../store/values';

/**
 * What an append does next, given what it has found out: a pure function, which reads no clock and does no I/O
 * (until-decided.ts does both). It holds the rule of all appends: no acknowledged event is lost, and none is stored twice.
 *
 * Every attempt is published on top of a base, and JetStream stores it only if its streams still end there. So an attempt
 * without an answer stays in doubt exactly as long as they do: as soon as they end elsewhere, it is either found by its commit
 * id, or was never stored and never will be.
 */

/** Where a stream ends. */
export interface KnownHead {
  readonly version: Version;
  /** Of the last message; 0 if the stream is empty. */
  readonly sequence: Sequence;
  /** What holds of the stream; undefined: it never had a control, or that is not known and it is not tombstoned. */
  readonly rules?: StreamRules | undefined;
}

/** The heads of the streams of an append, in their order. */
export type Base = readonly KnownHead[];

/** What an append has found out so far. */
export interface State {
  /** The base of the last attempt. */
  readonly tried: Base | undefined;
  /** An attempt whose answer is lost: it is stored on top of this base, may still be, or never will be. */
  readonly doubt: { readonly base: Base; readonly cause: unknown } | undefined;
  /** The server remembers the commit id, and no commit with it has been found yet. */
  readonly isRemembered: boolean;
  /** Why the attempt was not sent. Whether an earlier call has stored the append is looked up before the caller gets this. */
  readonly withheld: Error | undefined;
}

export const untried: State = {
  tried: undefined,
  doubt: undefined,
  isRemembered: false,
  withheld: undefined,
};

/** What an action has led to. Result: what the caller of the append gets. */
export type Event<Result> =
  /** The append begins. `base`: the heads as this gateway knows them; undefined: it does not. */
  | { readonly kind: 'begun'; readonly base: Base | undefined }
  // Of publish:
  | { readonly kind: 'stored'; readonly result: Result }
  /** The server remembers the commit id, for the message with this sequence; undefined: it does not say which one. */
  | { readonly kind: 'duplicate'; readonly sequence: Sequence | undefined }
  /** A stream does not end at the base, or another commit is on its way there. This attempt is not stored. */
  | { readonly kind: 'conflict' }
  /** No answer came: the attempt may be stored, or may still be. */
  | { readonly kind: 'lost'; readonly cause: unknown }
  /** NATS refused the attempt. `mayFit`: smaller messages are taken, into which it can be divided. */
  | { readonly kind: 'refused'; readonly error: unknown; readonly mayFit: boolean }
  /** The attempt was not sent, since the store is full. */
  | { readonly kind: 'withheld'; readonly error: Error }
  /** The messages of the attempt cannot be made. */
  | { readonly kind: 'unfit'; readonly error: unknown }
  // Of lookUp:
  /** The append is not stored on any of its streams, which end here. */
  | { readonly kind: 'unstored'; readonly base: Base }
  /** The streams are already as the transaction would make them: it is not stored, and need not be. */
  | { readonly kind: 'unneeded'; readonly result: Result }
  // Of find:
  /** The log does not have the commit that the server remembers. */
  | { readonly kind: 'forgotten' }
  // Of both:
  /** The append is stored, by an attempt in doubt or by an earlier call. */
  | { readonly kind: 'found'; readonly result: Result }
  /** A stream has another version than expected, or the commit id belongs to another commit: the append can never be stored. */
  | { readonly kind: 'ruledOut'; readonly error: Error }
  /** The store cannot be reached now. */
  | { readonly kind: 'away'; readonly error: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The deadline passed before the lookup began. */
  | { readonly kind: 'late' };

/** What to do. The last five end the append. */
export type Action<Result> =
  /** Publish on top of a base. `isRetry`: after a pause, since the same was refused there before. */
  | { readonly kind: 'publish'; readonly base: Base; readonly isRetry: boolean }
  /** Look up whether the append is stored, and else where its streams end. */
  | { readonly kind: 'lookUp'; readonly doubted: Base | undefined; readonly isRetry: boolean }
  /** Look for the commit that the server remembers. */
  | { readonly kind: 'find'; readonly sequence: Sequence | undefined; readonly doubted: Base | undefined }
  | { readonly kind: 'acknowledge'; readonly result: Result }
  /** Nothing is stored, and nothing has to be. */
  | { readonly kind: 'leave'; readonly result: Result }
  /** Nothing is stored, and nothing will be. */
  | { readonly kind: 'reject'; readonly error: unknown }
  /** The same, since the deadline has passed. */
  | { readonly kind: 'expire' }
  /** Whether it is stored cannot be found out in time. */
  | { readonly kind: 'giveUp'; readonly cause: unknown };

export interface Decision<Result> {
  readonly state: State;
  readonly action: Action<Result>;
}

export function next<Result>(state: State, event: Event<Result>): Decision<Result> {
  switch (event.kind) {
    case 'begun':
      return event.base === undefined ? lookUp(state) : publish(state, event.base);
    case 'stored':
    case 'found':
      return { state, action: { kind: 'acknowledge', result: event.result } };
    case 'unneeded':
      return { state, action: { kind: 'leave', result: event.result } };
    case 'duplicate':
      return find({ ...state, isRemembered: true }, event.sequence);
    case 'forgotten':
      return lookUp({ ...state, isRemembered: false });
    case 'conflict':
      return lookUp(state);
    case 'lost':
      return lookUp({ ...state, doubt: { base: state.tried as Base, cause: event.cause } });
    case 'refused':
      return isOpen(state) || event.mayFit ? lookUp(state) : reject(state, event.error);
    case 'withheld':
      return lookUp(isOpen(state) ? state : { ...state, withheld: event.error });
    case 'unstored':
      return state.withheld === undefined ? tryAgain(state, event.base) : reject(state, state.withheld);
    case 'ruledOut':
      return reject(state, event.error);
    case 'away':
      return isOpen(state) ? lookUp(state, true) : reject(state, event.error);
    case 'unfit':
    case 'failed':
      return isOpen(state) ? giveUp(state) : reject(state, event.error);
    case 'late':
      return isOpen(state) ? giveUp(state) : { state, action: { kind: 'expire' } };
  }
}

/** Whether the append may be stored already: then an error must not say that it is not. */
function isOpen({ doubt, isRemembered }: State): boolean {
  return doubt !== undefined || isRemembered;
}

function publish(state: State, base: Base, isRetry = false): Decision<never> {
  return { state: { ...state, tried: base }, action: { kind: 'publish', base, isRetry } };
}

function lookUp(state: State, isRetry = false): Decision<never> {
  return { state, action: { kind: 'lookUp', doubted: state.doubt?.base, isRetry } };
}

function find(state: State, sequence: Sequence | undefined): Decision<never> {
  return { state, action: { kind: 'find', sequence, doubted: state.doubt?.base } };
}

function reject(state: State, error: unknown): Decision<never> {
  return { state, action: { kind: 'reject', error } };
}

function giveUp(state: State): Decision<never> {
  const cause = state.doubt?.cause ?? new Error('the server remembers the commit id');
  return { state, action: { kind: 'giveUp', cause } };
}

/** The append is not stored, and its streams end at a base: what was in doubt on top of another one will never be stored. */
function tryAgain(state: State, base: Base): Decision<never> {
  const { doubt, tried } = state;
  const isStillInDoubt = doubt !== undefined && isSameBase(base, doubt.base);
  const isRetry = tried !== undefined && isSameBase(base, tried);
  return publish({ ...state, doubt: isStillInDoubt ? doubt : undefined }, base, isRetry);
}

/** Whether nothing was stored on any of the streams between two bases. */
function isSameBase(one: Base, other: Base): boolean {
  return one.every(({ sequence }, index) => sequence === other[index]?.sequence);
}
