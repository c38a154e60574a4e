import type { Limits } from '../limits';

/** How many elements a repeated field may have. */
export interface ElementBound {
  readonly max: keyof Limits;
  /** The name of the elements in messages. */
  readonly unit: string;
  /** If set, all such elements of a request count together, and an excess is reported for this field. */
  readonly together?: string;
}

const types: ElementBound = { max: 'filterTypesMax', unit: 'types' };
const patterns: ElementBound = { max: 'filterPatternsMax', unit: 'patterns' };
const deliveries: ElementBound = { max: 'memberInFlightMax', unit: 'deliveries' };

/**
 * Every repeated field, maps included, of every message that is part of a request, by the name of the message. The gateway
 * does not start when one of the contract is missing here.
 */
export const elementBounds: Readonly<Record<string, Readonly<Record<string, ElementBound>>>> = {
  'sluice.v1.AppendRequest': { events: { max: 'appendEventsMax', unit: 'events' } },
  'sluice.v1.AppendMultiRequest': {
    appends: { max: 'transactionStreamsMax', unit: 'entries' },
    checks: { max: 'transactionChecksMax', unit: 'entries' },
  },
  'sluice.v1.StreamAppend': { events: { max: 'appendEventsMax', unit: 'events', together: 'appends' } },
  'sluice.v1.Event': {
    tags: { max: 'tagsMax', unit: 'tags' },
    metadata: { max: 'metadataEntriesMax', unit: 'entries' },
  },
  'sluice.v1.AppendSessionRequest': { appends: { max: 'sessionMessageAppendsMax', unit: 'appends' } },
  'sluice.v1.ReadStreamRequest': { event_types: types },
  'sluice.v1.ReadByCorrelationRequest': { event_types: types },
  'sluice.v1.ReadAllRequest': { patterns, event_types: types, event_type_prefixes: types },
  'sluice.v1.SubscribeRequest': { patterns, event_types: types, event_type_prefixes: types },
  'sluice.v1.GroupSettings': { patterns, event_types: types, event_type_prefixes: types },
  'sluice.v1.Query': { items: { max: 'queryItemsMax', unit: 'items' } },
  'sluice.v1.QueryItem': { event_types: types, tags: { max: 'tagsMax', unit: 'tags' } },
  // Packed, they come as one element: the parser counts them as well.
  'sluice.v1.Ack': { deliveries },
  'sluice.v1.Extend': { deliveries },
};

/** Messages that come many to a request, each with bounds of its own, so that one that is too large is refused alone. */
export const countedApart: ReadonlySet<string> = new Set(['sluice.v1.SessionAppend']);
