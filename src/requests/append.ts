import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { AppendCommand } from '../store/event-store';
import type { Version } from '../store/values';
import { commitIdOf, streamName, versionNumber } from './field-checks';
import { Findings } from './findings';
import { newEvents } from './new-event';

/** A command with the bytes that its events take when they are stored, or slightly fewer. */
export type Sized<Command> = Command & { readonly bytes: number };

/** Throws InvalidRequestError. Fills in what is left out: event ids, correlation ids, causation ids. */
export function parseAppend(request: AppendRequest, limits: Limits): Sized<AppendCommand> {
  const findings = new Findings();
  const stream = streamName(request.stream, findings);
  const expectedVersion = expectedVersionOf(request, '', findings);
  const commitId = commitIdOf(request.commitId, findings);
  const { events, bytes } = newEvents(request, limits, findings);
  findings.throwIfAny();
  return { stream, events, bytes, expectedVersion, commitId, withCommitTime: request.withCommitTime };
}

/** The fields of the request are at `<prefix>`. */
export function expectedVersionOf(
  { expectedVersion }: Pick<AppendRequest, 'expectedVersion'>,
  prefix: string,
  findings: Findings,
): Version | undefined {
  if (expectedVersion === undefined) return undefined;
  return versionNumber(expectedVersion, `${prefix}expected_version`, findings);
}
