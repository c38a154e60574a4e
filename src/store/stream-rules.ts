import { noVersion, versionAfter, type Position, type UnixNanos, type Version } from './values';

/** What can be read of a stream: at most a number of its newest events, and only events up to an age. undefined: no bound. */
export interface Retention {
  readonly maxCount: bigint | undefined;
  readonly maxAgeNanos: bigint | undefined;
}

/** What a control asks for. */
export type StreamControl =
  | { readonly kind: 'truncate'; readonly before: Version }
  | { readonly kind: 'retain'; readonly retention: Retention }
  | { readonly kind: 'delete' }
  | { readonly kind: 'tombstone' }
  | Erasure;

/** Overwrites the contents of events, which are whole commits. It leaves the rules of the stream as they are. */
export interface Erasure {
  readonly kind: 'erase';
  /** Inclusive. */
  readonly fromVersion: Version;
  /** Inclusive. */
  readonly toVersion: Version;
  /** 1 to 256 bytes of text without control characters. */
  readonly reason: string;
}

/** What holds of a stream after its controls. Each control commit has all of it, so that the newest one is enough. */
export interface StreamRules extends Retention {
  /** Events before this version are hidden. */
  readonly firstVersion: Version;
  /** Whether the stream counts as deleted until an event follows. */
  readonly isDeleted: boolean;
  /** Whether the stream takes no more events. */
  readonly isTombstoned: boolean;
}

/** Of a stream without controls. */
export const noRules: StreamRules = {
  firstVersion: versionAfter(noVersion, 1n),
  isDeleted: false,
  isTombstoned: false,
  maxCount: undefined,
  maxAgeNanos: undefined,
};

export type StreamState = 'active' | 'deleted' | 'tombstoned';

/** The state of a stream that had events, given its version. */
export function stateOf(rules: StreamRules, version: Version): StreamState {
  if (rules.isTombstoned) return 'tombstoned';
  return rules.isDeleted && version < rules.firstVersion ? 'deleted' : 'active';
}

/** Those of the rules that hide events. */
export type HidingRules = Pick<StreamRules, 'firstVersion' | keyof Retention>;

/** What is hidden of a stream when a read begins: events before a version, and commits before a time. */
export interface Hidden {
  /** The first version that its rules leave, by number. */
  readonly firstVersion: Version;
  /** undefined: no commit is hidden for its age. */
  readonly fromTime: UnixNanos | undefined;
}

/** What the rules hide of a stream at a version, now. */
export function hiddenBy(rules: HidingRules, version: Version, nowNanos: bigint): Hidden {
  const { firstVersion, maxCount, maxAgeNanos } = rules;
  const byCount = maxCount === undefined ? 0n : version - maxCount + 1n;
  return {
    firstVersion: byCount > firstVersion ? (byCount as Version) : firstVersion,
    fromTime:
      maxAgeNanos === undefined || nowNanos <= maxAgeNanos
        ? undefined
        : ((nowNanos - maxAgeNanos) as UnixNanos),
  };
}

/** The rules after a control on a stream at a version; the same object if it changes nothing. The control was checked. */
export function rulesAfter(rules: StreamRules, version: Version, control: StreamControl): StreamRules {
  const all = versionAfter(version, 1n);
  // An event may have followed the control that deleted the stream.
  const isDeleted = stateOf(rules, version) !== 'active';
  switch (control.kind) {
    case 'truncate':
      return control.before > rules.firstVersion
        ? { ...rules, isDeleted, firstVersion: control.before }
        : rules;
    case 'retain': {
      const { maxCount, maxAgeNanos } = control.retention;
      const isSame = maxCount === rules.maxCount && maxAgeNanos === rules.maxAgeNanos;
      return isSame ? rules : { ...rules, isDeleted, maxCount, maxAgeNanos };
    }
    case 'delete':
      return isDeleted ? rules : { ...rules, firstVersion: all, isDeleted: true };
    case 'tombstone':
      return rules.isTombstoned
        ? rules
        : { ...rules, firstVersion: all, isDeleted: true, isTombstoned: true };
    case 'erase':
      return rules;
  }
}

/** Whether two controls ask for the same; undefined: for nothing. */
export function isSameControl(one: StreamControl | undefined, other: StreamControl | undefined): boolean {
  if (one?.kind === 'truncate' && other?.kind === 'truncate') return one.before === other.before;
  if (one?.kind === 'retain' && other?.kind === 'retain')
    return (
      one.retention.maxCount === other.retention.maxCount &&
      one.retention.maxAgeNanos === other.retention.maxAgeNanos
    );
  if (one?.kind === 'erase' && other?.kind === 'erase')
    return (
      one.fromVersion === other.fromVersion &&
      one.toVersion === other.toVersion &&
      one.reason === other.reason
    );
  return one?.kind === other?.kind;
}

/** What a stream is now. */
export interface StreamDescription {
  readonly stream: string;
  readonly state: StreamState;
  readonly version: Version;
  /** The first version that can be read; `version` + 1 if none can. */
  readonly firstVersion: Version;
  /** Of its last commit, controls included. */
  readonly position: Position;
  readonly commitTime: UnixNanos;
  readonly rules: StreamRules;
  /** Of its last control; 0: it never had one. */
  readonly controlPosition: Position;
  /** What was erased, in the order in which it was asked for: the newest `erasedRangesMax`. */
  readonly erased: readonly ErasedRange[];
}

/** How many erasures of a stream are described. */
export const erasedRangesMax = 100;

/** The record of an erasure that was carried out. */
export interface ErasedRange extends Omit<Erasure, 'kind'> {
  readonly commitTime: UnixNanos;
  /** As the log has it; "": nobody is recorded. */
  readonly principal: string;
  /** Of its control. */
  readonly position: Position;
}
