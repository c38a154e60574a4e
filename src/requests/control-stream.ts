import type {
  DeleteStreamRequest,
  EraseEventsRequest,
  GetStreamRequest,
  SetRetentionRequest,
  TombstoneStreamRequest,
  TruncateStreamRequest,
} from '../../generated/sluice/v1/stream_service';
import type { Limits } from '../limits';
import type { ControlCommand } from '../store/control-command';
import type { StreamControl } from '../store/stream-rules';
import { noVersion, type StreamName } from '../store/values';
import { commitIdOf, streamName, versionNumber } from './field-checks';
import { excess, Findings, shown } from './findings';
import { retentionOf } from './retention';

/** Requests of StreamService. Each function throws InvalidRequestError. */

export function parseGetStream({ stream }: GetStreamRequest): StreamName {
  const findings = new Findings();
  const name = streamName(stream, findings);
  findings.throwIfAny();
  return name;
}

export function parseTruncateStream(request: TruncateStreamRequest): ControlCommand {
  const findings = new Findings();
  const before = versionNumber(request.beforeVersion, 'before_version', findings);
  if (before === noVersion) findings.add('before_version', 'is required: 1 or more');
  return commandOf(request, { kind: 'truncate', before }, findings);
}

export function parseSetRetention(request: SetRetentionRequest): ControlCommand {
  const findings = new Findings();
  const retention = retentionOf(request.retention, findings);
  return commandOf(request, { kind: 'retain', retention }, findings);
}

export function parseDeleteStream(request: DeleteStreamRequest): ControlCommand {
  return commandOf(request, { kind: 'delete' }, new Findings());
}

export function parseTombstoneStream(request: TombstoneStreamRequest): ControlCommand {
  return commandOf(request, { kind: 'tombstone' }, new Findings());
}

export function parseEraseEvents(request: EraseEventsRequest, { eraseEventsMax }: Limits): ControlCommand {
  const findings = new Findings();
  const { reason } = request;
  const fromVersion = versionNumber(request.fromVersion, 'from_version', findings);
  const toVersion = versionNumber(request.toVersion, 'to_version', findings);
  if (fromVersion === noVersion) findings.add('from_version', 'is required: 1 or more');
  if (toVersion === noVersion) findings.add('to_version', 'is required: from_version or more');
  else if (toVersion < fromVersion) findings.add('to_version', 'is before from_version');
  else if (toVersion - fromVersion >= BigInt(eraseEventsMax))
    findings.add('to_version', excess(Number(toVersion - fromVersion) + 1, 'events', eraseEventsMax));
  checkReason(reason, findings);
  return commandOf(request, { kind: 'erase', fromVersion, toVersion, reason }, findings);
}

const reasonBytesMax = 256;
const controlCharacter = /\p{Cc}/u;

function checkReason(reason: string, findings: Findings): void {
  const bytes = Buffer.byteLength(reason);
  if (bytes === 0) findings.add('reason', 'is required');
  else if (bytes > reasonBytesMax) findings.add('reason', excess(bytes, 'bytes', reasonBytesMax));
  else if (controlCharacter.test(reason)) findings.add('reason', `has control characters: ${shown(reason)}`);
}

function commandOf(
  request: Pick<DeleteStreamRequest, 'stream' | 'expectedVersion' | 'commitId'>,
  control: StreamControl,
  findings: Findings,
): ControlCommand {
  const stream = streamName(request.stream, findings);
  const commitId = commitIdOf(request.commitId, findings);
  const expected =
    request.expectedVersion === undefined
      ? undefined
      : versionNumber(request.expectedVersion, 'expected_version', findings);
  findings.throwIfAny();
  return { stream, control, expected, commitId };
}
