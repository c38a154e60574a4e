import type { Query } from '../../generated/sluice/v1/event';

/** Events that have one of the types and all of the tags; one of the two may be left out. */
export interface QueryItem {
  /** Left out or empty: any type. */
  readonly eventTypes?: readonly string[] | undefined;
  /** Left out or empty: any tags. */
  readonly tags?: readonly string[] | undefined;
}

/** Events that match any of the items: 1 to 64. */
export interface EventQuery {
  readonly items: readonly QueryItem[];
}

export function toProtoQuery({ items }: EventQuery): Query {
  return {
    items: items.map(({ eventTypes = [], tags = [] }) => ({ eventTypes: [...eventTypes], tags: [...tags] })),
  };
}
