import { CallError } from '../wire/call-error';
import type { RecordedEvent } from '../wire/messages';
import type { Commands } from './commands';
import { readCommit, readCorrelated, readTagged } from './commit';

export const searchKinds = ['correlation', 'event', 'position', 'tag'] as const;
export type SearchKind = (typeof searchKinds)[number];

export interface Found {
  readonly events: readonly RecordedEvent[];
  readonly cut: 'no' | 'count' | 'bytes';
  /** Whether events of other streams may have been left out. */
  readonly limited: boolean;
  /** What to say if there is nothing. */
  readonly nothing: string;
}

/** The events that are meant. Throws CallError. */
export async function search(kind: SearchKind, text: string, signal: AbortSignal): Promise<Found> {
  switch (kind) {
    case 'correlation': {
      const { events, cut, header } = await readCorrelated(text, signal);
      return {
        events,
        cut,
        limited: header?.limitedToGrants === true,
        nothing: 'No event has this correlation id.',
      };
    }
    case 'event':
      return byEventId(text, signal);
    case 'position':
      return atPosition(text, signal);
    case 'tag': {
      const { events, cut } = await readTagged(text, signal);
      return { events, cut, limited: false, nothing: 'No event that you may read has this tag.' };
    }
  }
}

async function atPosition(text: string, signal: AbortSignal): Promise<Found> {
  const digits = text.replaceAll(/[ ,_]/g, '');
  if (!/^[1-9]\d{0,15}$/.test(digits))
    throw new CallError('invalid_argument', 'a position is a number from 1 on');
  const { events, cut } = await readCommit(digits, signal);
  return {
    events,
    cut,
    limited: false,
    nothing: 'No commit that you may read has this position: positions have gaps.',
  };
}

/** The contract finds events by correlation id; an event without one has its own id as that. */
async function byEventId(text: string, signal: AbortSignal): Promise<Found> {
  const { events, cut, header } = await readCorrelated(text, signal);
  const meant = events.filter(({ id }) => id === text);
  return {
    events: meant,
    cut: meant.length > 0 ? 'no' : cut,
    limited: header?.limitedToGrants === true,
    nothing:
      'No event with this id begins a correlation. Sluice finds other events by their correlation id, position or stream.',
  };
}

/** The commands of a search. */
export function searchCommands(kind: SearchKind, text: string): Commands {
  switch (kind) {
    case 'position': {
      const after = /^[1-9]\d{0,15}$/.test(text) ? (BigInt(text) - 1n).toString() : '0';
      const request = { afterPosition: after, toPosition: text };
      return {
        method: 'EventStoreService/ReadAll',
        request,
        sluice: ['tail', '--from', text, '--max-count', '1'],
      };
    }
    case 'tag': {
      const request = {
        query: { items: [{ tags: [text] }] },
        direction: 'DIRECTION_BACKWARD',
        maxCount: '100',
      };
      return { method: 'EventStoreService/ReadAll', request, sluice: undefined };
    }
    default: {
      const request = { correlationId: text };
      return { method: 'EventStoreService/ReadByCorrelation', request, sluice: ['correlation', text] };
    }
  }
}
