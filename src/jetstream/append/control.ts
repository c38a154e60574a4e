import {
  EraseSplitsCommitError,
  OutcomeUnknownError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
} from '../../store/errors';
import type { CallContext, EventStore } from '../../store/event-store';
import type { ControlResult } from '../../store/control-command';
import type { LogView } from '../../store/log';
import { noRules, rulesAfter, type Erasure, type StreamControl } from '../../store/stream-rules';
import { noVersion, versionAfter, type StreamName, type Version } from '../../store/values';
import type { CurrentHead } from '../log/head';
import type { Appended } from './appended';
import type { StreamPart, Transaction } from './transaction';

/**
 * The result of a control that would change nothing; undefined: it would change something. The heads are from the view. Throws
 * StreamNotFoundError, StreamTombstonedError, VersionBeyondEndError and EraseSplitsCommitError.
 */
export function checkControl(
  { parts, commitId }: Transaction,
  heads: readonly CurrentHead[],
  view: Pick<LogView, 'erasable'>,
): Appended | undefined {
  const [{ stream, control }] = parts as readonly [StreamPart & { readonly control: StreamControl }];
  const [{ version, position, rules = noRules }] = heads as readonly [CurrentHead];
  if (version === noVersion) throw new StreamNotFoundError(stream);
  if (rules.isTombstoned && control.kind !== 'tombstone' && control.kind !== 'erase')
    throw new StreamTombstonedError(stream);
  if (control.kind === 'truncate' && control.before > versionAfter(version, 1n))
    throw new VersionBeyondEndError(stream, control.before, version);
  const wouldChange =
    control.kind === 'erase'
      ? wouldErase(stream, version, control, view)
      : rulesAfter(rules, version, control) !== rules;
  if (wouldChange) return undefined;
  return {
    position,
    streams: [{ stream, version, firstVersion: versionAfter(version, 1n) }],
    commitTime: undefined,
    replayed: false,
    commitId,
    isUnneeded: true,
  };
}

/** Whether an erasure has something to erase. Throws VersionBeyondEndError and EraseSplitsCommitError. */
function wouldErase(
  stream: StreamName,
  version: Version,
  { fromVersion, toVersion }: Erasure,
  view: Pick<LogView, 'erasable'>,
): boolean {
  if (toVersion > version) throw new VersionBeyondEndError(stream, toVersion, version);
  const found = view.erasable(stream, fromVersion, toVersion);
  if (found.fromVersion !== fromVersion || found.toVersion !== toVersion)
    throw new EraseSplitsCommitError(stream, found.fromVersion, found.toVersion);
  return !found.isErased;
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
