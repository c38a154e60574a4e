import type { StreamControl, StreamDescription } from './stream-rules';
import type { CommitId, Position, StreamName, Version } from './values';

/** A control of one stream. */
export interface ControlCommand {
  readonly stream: StreamName;
  readonly control: StreamControl;
  /** undefined: any version will do. */
  readonly expected: Version | undefined;
  /** undefined: a repeated call is a new control. */
  readonly commitId: CommitId | undefined;
}

export interface ControlResult {
  /** The stream after the control. */
  readonly stream: StreamDescription;
  /** Of the control; if nothing was stored, of the last commit of the stream. */
  readonly position: Position;
  /** false: the stream was like this already, and nothing was stored. */
  readonly changed: boolean;
  readonly replayed: boolean;
  /** undefined if nothing was stored. */
  readonly commitId: CommitId | undefined;
}
