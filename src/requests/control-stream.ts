import type {
  DeleteStreamRequest,
  GetStreamRequest,
  SetRetentionRequest,
  TombstoneStreamRequest,
  TruncateStreamRequest,
} from '../../generated/sluice/v1/stream_service';
import type { ControlCommand } from '../store/control-command';
import type { StreamControl } from '../store/stream-rules';
import { noVersion, type StreamName } from '../store/values';
import { commitIdOf, streamName, versionNumber } from './field-checks';
import { Findings } from './findings';
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
