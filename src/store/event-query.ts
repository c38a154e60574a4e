/** One alternative of a query: events that have one of the types, and all of the tags. One of the two may be empty. */
export interface QueryItem {
  /** Empty: any type. */
  readonly eventTypes: ReadonlySet<string>;
  /** Distinct. Empty: any tags. */
  readonly tags: readonly string[];
}

/** Events that match any of the items, of which there is at least one. */
export interface EventQuery {
  readonly items: readonly QueryItem[];
}

/** What a query looks at. */
export interface QueriedEvent {
  readonly type: string;
  readonly tags: readonly string[];
}

/** The first item that an event matches, by its index; undefined: it matches none. */
export function matchedItem({ items }: EventQuery, { type, tags }: QueriedEvent): number | undefined {
  const index = items.findIndex(
    (item) =>
      (item.eventTypes.size === 0 || item.eventTypes.has(type)) &&
      item.tags.every((tag) => tags.includes(tag)),
  );
  return index < 0 ? undefined : index;
}
