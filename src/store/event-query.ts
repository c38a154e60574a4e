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

/** The first item that an event matches, by its index; undefined: it matches none. Loops, since each event of a read may come here. */
export function matchedItem({ items }: EventQuery, event: QueriedEvent): number | undefined {
  for (let at = 0; at < items.length; at++) if (isMatch(items[at] as QueryItem, event)) return at;
  return undefined;
}

function isMatch({ eventTypes, tags }: QueryItem, event: QueriedEvent): boolean {
  if (eventTypes.size > 0 && !eventTypes.has(event.type)) return false;
  for (const tag of tags) if (!event.tags.includes(tag)) return false;
  return true;
}
