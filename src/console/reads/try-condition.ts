import { stream } from '../wire/connect';
import type { ReadAllRequest, RecordedEvent } from '../wire/messages';
import { collect } from './collect';

/** What must not have been stored: an event of any of the types, with all of the tags, after a position. */
export interface Condition {
  readonly types: readonly string[];
  readonly tags: readonly string[];
  /** Empty: 0. */
  readonly after: string;
}

/** The first event that refuses the condition, and up to where no event does. */
export interface ConditionResult {
  readonly event: RecordedEvent | undefined;
  readonly position: string;
}

/** The read on which a gateway decides, so that nothing has to be appended to learn its decision. */
export function conditionRequest({ types, tags, after }: Condition): ReadAllRequest {
  return {
    query: {
      items: [
        {
          eventTypes: types.length === 0 ? undefined : [...types],
          tags: tags.length === 0 ? undefined : [...tags],
        },
      ],
    },
    afterPosition: after === '' || after === '0' ? undefined : after,
    maxCount: '1',
  };
}

export async function tryCondition(condition: Condition, signal: AbortSignal): Promise<ConditionResult> {
  const { events, header } = await collect(
    stream('EventStoreService/ReadAll', conditionRequest(condition), signal),
  );
  return { event: events[0], position: header?.position ?? '0' };
}
