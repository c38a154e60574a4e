import type { Query } from '../../generated/sluice/v1/event';
import type { Limits } from '../limits';
import type { EventQuery } from '../store/event-query';
import { checkTags, eventTypeFilter } from './field-checks';
import { excess, type Findings } from './findings';

/** The query of a request, which is at `path`. */
export function eventQuery(query: Query, path: string, limits: Limits, findings: Findings): EventQuery {
  const { items } = query;
  const list = `${path}.items`;
  if (items.length === 0) findings.add(list, 'is required');
  if (items.length > limits.queryItemsMax) {
    findings.add(list, excess(items.length, 'items', limits.queryItemsMax));
    return { items: [] };
  }
  return {
    items: items.map(({ eventTypes, tags }, index) => {
      const at = `${list}[${index}]`;
      if (eventTypes.length + tags.length === 0) findings.add(at, 'needs event_types, tags, or both');
      checkTags(tags, `${at}.tags`, limits, findings);
      return {
        eventTypes: eventTypeFilter(eventTypes, limits, findings, `${at}.event_types`),
        tags: [...new Set(tags)],
      };
    }),
  };
}
