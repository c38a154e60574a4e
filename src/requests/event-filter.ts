import type { ReadAllRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { EventFilter } from '../store/event-store';
import { eventQuery } from './event-query';
import { checkStreamPattern, eventTypeFilter } from './field-checks';
import { excess, type Findings } from './findings';

const everything = ['>'];

/** The filter of a request over the whole store, or of a group. */
export function eventFilter(
  request: Pick<ReadAllRequest, 'patterns' | 'eventTypes' | 'eventTypePrefixes' | 'query'>,
  limits: Limits,
  findings: Findings,
): EventFilter {
  const prefixes = eventTypeFilter(request.eventTypePrefixes, limits, findings, 'event_type_prefixes');
  return {
    patterns: request.patterns.length === 0 ? everything : streamPatterns(request.patterns, limits, findings),
    eventTypes: eventTypeFilter(request.eventTypes, limits, findings),
    eventTypePrefixes: [...prefixes],
    query: request.query && eventQuery(request.query, 'query', limits, findings),
  };
}

function streamPatterns(
  patterns: readonly string[],
  { filterPatternsMax }: Limits,
  findings: Findings,
): readonly string[] {
  if (patterns.length > filterPatternsMax) {
    findings.add('patterns', excess(patterns.length, 'patterns', filterPatternsMax));
    return [];
  }
  for (const [index, pattern] of patterns.entries()) {
    checkStreamPattern(pattern, `patterns[${index}]`, findings);
  }
  return patterns;
}
