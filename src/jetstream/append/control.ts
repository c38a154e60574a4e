import {
  OutcomeUnknownError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
} from '../../store/errors';
import type { CallContext, EventStore } from '../../store/event-store';
import type { ControlResult } from '../../store/control-command';
import { noRules, rulesAfter, type StreamControl } from '../../store/stream-rules';
import { noVersion, versionAfter, type StreamName } from '../../store/values';
import type { CurrentHead } from '../log/head';
import type { Appended } from './appended';
import type { StreamPart, Transaction } from './transaction';

/**
 * The result of a control that would change nothing; undefined: it would change something. Throws StreamNotFoundError,
 * StreamTombstonedError and VersionBeyondEndError.
 */
export function checkControl(
  { parts, commitId }: Transaction,
  heads: readonly CurrentHead[],
): Appended | undefined {
  const [{ stream, control }] = parts as readonly [StreamPart & { readonly control: StreamControl }];
  const [{ version, position, rules = noRules }] = heads as readonly [CurrentHead];
  if (version === noVersion) throw new StreamNotFoundError(stream);
  if (rules.isTombstoned && control.kind !== 'tombstone') throw new StreamTombstonedError(stream);
  if (control.kind === 'truncate' && control.before > versionAfter(version, 1n))
    throw new VersionBeyondEndError(stream, control.before, version);
  if (rulesAfter(rules, version, control) !== rules) return undefined;
  return {
    position,
    streams: [{ stream, version, firstVersion: versionAfter(version, 1n) }],
    commitTime: undefined,
    replayed: false,
    commitId,
    isUnneeded: true,
  };
}

/** Describes the stream after a control. Throws OutcomeUnknownError if the control is stored and the stream cannot be described. */
export async function describeAfter(
  describe: EventStore['getStream'],
  stream: StreamName,
  { position, replayed, commitId, isUnneeded = false }: Appended,
  call: CallContext,
): Promise<ControlResult> {
  try {
    const described = await describe(stream, call);
    return {
      stream: described,
      position: isUnneeded ? described.position : position,
      changed: !isUnneeded,
      replayed,
      commitId: isUnneeded ? undefined : commitId,
    };
  } catch (cause) {
    if (isUnneeded) throw cause;
    // The error itself would say that nothing was stored.
    throw new OutcomeUnknownError(stream, commitId, { cause });
  }
}
