import type { StreamRules } from '../../store/stream-rules';
import type { Position } from '../../store/values';

/** What holds of a stream that has controls. */
export interface ControlledStream {
  readonly stream: string;
  readonly rules: StreamRules;
  /** Of its last control. */
  readonly controlPosition: Position;
}

/** What the index knows of controls; it has all of them up to the position that the replica has applied. */
export interface ControlIndex {
  /** Of the last control of any stream; 0: no stream of the store ever had one. Known without a lookup: each read asks for it. */
  readonly lastControl: bigint;
  /** undefined: the stream never had a control. */
  controlled(stream: string): ControlledStream | undefined;
  /** Each stream that has controls once, in any order. Read in full once, when the replica is opened. */
  controlledStreams(): Iterable<ControlledStream>;
  /** The streams of the controls after a position, in the order of the log; a stream may come more than once. */
  controlledAfter(position: bigint): Iterable<ControlledStream>;
}
