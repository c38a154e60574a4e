import type { AppendMultiRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { AppendMultiCommand } from '../store/event-store';
import type { StreamName } from '../store/values';
import { expectationOf, type Sized } from './append';
import { appendCondition } from './append-condition';
import { commitIdOf, streamName } from './field-checks';
import { excess, Findings, shown } from './findings';
import { newEvents } from './new-event';

/** Throws InvalidRequestError. Fills in the same ids as `parseAppend`. */
export function parseAppendMulti(request: AppendMultiRequest, limits: Limits): Sized<AppendMultiCommand> {
  const findings = new Findings();
  const commitId = commitIdOf(request.commitId, findings);
  if (request.appends.length === 0) findings.add('appends', 'is required');
  // Nothing more is looked at in a request that is too large.
  if (!isBounded(request, limits, findings)) findings.throwIfAny();
  const names = new DistinctNames(findings);
  let bytesInAll = 0;
  const appends = request.appends.map((append, index) => {
    const path = `appends[${index}]`;
    const stream = names.add(append.stream, path);
    if (append.events.length === 0) findings.add(`${path}.events`, 'is required');
    const { events, bytes } = newEvents(append, limits, findings, `${path}.`);
    bytesInAll += bytes;
    return { stream, events, expected: expectationOf(append, `${path}.`, findings) };
  });
  const checks = request.checks.map((check, index) => {
    const path = `checks[${index}]`;
    const stream = names.add(check.stream, path);
    const expected = expectationOf(check, `${path}.`, findings);
    if (expected === undefined) findings.add(`${path}.expected_version`, 'is required, or must_exist');
    return { stream, expected: expected ?? 'exists' };
  });
  const streams = [...appends, ...checks].map(({ stream }) => stream);
  const condition = appendCondition(request.condition, streams, limits, findings);
  findings.throwIfAny();
  const { validateOnly } = request;
  return { appends, checks, commitId, condition, validateOnly, bytes: bytesInAll };
}

function isBounded({ appends, checks }: AppendMultiRequest, limits: Limits, findings: Findings): boolean {
  const isAtMost = (max: number, found: number, unit: string, field: string): boolean => {
    if (found > max) findings.add(field, excess(found, unit, max));
    return found <= max;
  };
  const events = appends.reduce((sum, append) => sum + append.events.length, 0);
  return (
    [
      isAtMost(limits.transactionStreamsMax, appends.length, 'entries', 'appends'),
      isAtMost(limits.transactionChecksMax, checks.length, 'entries', 'checks'),
      ...appends.map((append, index) =>
        isAtMost(limits.appendEventsMax, append.events.length, 'events', `appends[${index}].events`),
      ),
    ].every(Boolean) && isAtMost(limits.appendEventsMax, events, 'events', 'appends')
  );
}

/** The streams of a transaction, each of which may occur once. */
class DistinctNames {
  private readonly paths = new Map<string, string>();

  constructor(private readonly findings: Findings) {}

  add(text: string, path: string): StreamName {
    const first = this.paths.get(text);
    if (first === undefined) this.paths.set(text, path);
    else if (text !== '')
      this.findings.add(`${path}.stream`, `is also the stream of ${first}: ${shown(text)}`);
    return streamName(text, this.findings, `${path}.stream`);
  }
}
