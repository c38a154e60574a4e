import type { RecordedEvent } from '../wire/messages';

/** An event with the events that it caused. */
export interface Node {
  readonly event: RecordedEvent;
  readonly children: readonly Node[];
}

/**
 * Events of one correlation id as a tree: each below the event that caused it. An event whose cause is not among them is a root. Events
 * that cause each other in a circle, which callers may store, come once.
 */
export function causationTree(events: readonly RecordedEvent[]): Node[] {
  const byId = new Map(events.map((event) => [event.id, event]));
  const children = new Map<RecordedEvent, RecordedEvent[]>();
  const roots: RecordedEvent[] = [];
  for (const event of events) {
    const cause = event.causationId === event.id ? undefined : byId.get(event.causationId);
    if (cause === undefined || cause === event) roots.push(event);
    else children.set(cause, [...(children.get(cause) ?? []), event]);
  }
  const placed = new Set<RecordedEvent>();
  const tree = roots.map((event) => grown(event, children, placed));
  for (const event of events) if (!placed.has(event)) tree.push(grown(event, children, placed));
  return tree;
}

/** Without recursion: a chain may be as long as the events are many. */
function grown(
  root: RecordedEvent,
  children: ReadonlyMap<RecordedEvent, readonly RecordedEvent[]>,
  placed: Set<RecordedEvent>,
): Node {
  interface Growing {
    event: RecordedEvent;
    children: Growing[];
  }
  const top: Growing = { event: root, children: [] };
  placed.add(root);
  const open = [top];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const event of children.get(node.event) ?? []) {
      if (placed.has(event)) continue;
      placed.add(event);
      const child: Growing = { event, children: [] };
      node.children.push(child);
      open.push(child);
    }
  }
  return top;
}

/** What caused an event, the nearest first, as far as it is among the events. */
export function causesOf(event: RecordedEvent, events: readonly RecordedEvent[]): RecordedEvent[] {
  const byId = new Map(events.map((other) => [other.id, other]));
  const causes: RecordedEvent[] = [];
  const seen = new Set([event.id]);
  for (let id = event.causationId; id !== undefined && !seen.has(id);) {
    seen.add(id);
    const cause = byId.get(id);
    if (cause === undefined) break;
    causes.push(cause);
    id = cause.causationId;
  }
  return causes;
}
