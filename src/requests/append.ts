import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { AppendCommand } from '../store/event-store';
import type { Expectation } from '../store/expectation';
import { appendCondition } from './append-condition';
import { commitIdOf, streamName, versionNumber } from './field-checks';
import { Findings } from './findings';
import { newEvents } from './new-event';

/** A command with the bytes that its events take when they are stored, at most. */
export type Sized<Command> = Command & { readonly bytes: number };

/** Throws InvalidRequestError. Fills in what is left out: event ids, correlation ids, causation ids. */
export function parseAppend(request: AppendRequest, limits: Limits): Sized<AppendCommand> {
  const findings = new Findings();
  const stream = streamName(request.stream, findings);
  const expected = expectationOf(request, '', findings);
  const commitId = commitIdOf(request.commitId, findings);
  const condition = appendCondition(request.condition, [stream], limits, findings);
  if (condition !== undefined && request.events.length === 0) findings.add('condition', 'requires events');
  const { events, bytes } = newEvents(request, limits, findings);
  findings.throwIfAny();
  const { withCommitTime, validateOnly } = request;
  return { stream, events, bytes, expected, commitId, condition, withCommitTime, validateOnly };
}

/** The fields of the request are at `<prefix>`. undefined: any version will do. */
export function expectationOf(
  { expectedVersion, mustExist }: Pick<AppendRequest, 'expectedVersion' | 'mustExist'>,
  prefix: string,
  findings: Findings,
): Expectation | undefined {
  if (mustExist && expectedVersion !== undefined)
    findings.add(`${prefix}must_exist`, 'cannot go with expected_version');
  if (mustExist) return 'exists';
  if (expectedVersion === undefined) return undefined;
  return versionNumber(expectedVersion, `${prefix}expected_version`, findings);
}
