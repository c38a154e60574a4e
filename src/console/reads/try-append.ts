import { call } from '../wire/connect';
import { CallError, type Conflict } from '../wire/call-error';
import type { AppendCondition, AppendRequest, RecordedEvent } from '../wire/messages';
import type { Commands } from './commands';
import { readCommit } from './commit';

/** An append to try, as it is in the fields of the page. */
export interface Tried {
  readonly stream: string;
  readonly expects: 'version' | 'exists' | 'any';
  /** Empty: 0. */
  readonly version: string;
  /** Tags and types of events that must not have been stored, with spaces in between. Both empty: no condition. */
  readonly tags: string;
  readonly types: string;
  /** Empty: 0. */
  readonly after: string;
}

/** The type of the event of the request. It is never stored. */
const eventType = 'Try';

/** One event, which is only validated. */
export function tryRequest({ stream, expects, version, ...condition }: Tried): AppendRequest {
  return {
    stream: stream.trim(),
    events: [{ type: eventType }],
    expectedVersion: expects === 'version' ? numberOr0(version) : undefined,
    mustExist: expects === 'exists' ? true : undefined,
    condition: conditionOf(condition),
    validateOnly: true,
  };
}

function conditionOf({
  tags,
  types,
  after,
}: Pick<Tried, 'tags' | 'types' | 'after'>): AppendCondition | undefined {
  const [allTags, anyTypes] = [words(tags), words(types)];
  if (allTags.length === 0 && anyTypes.length === 0) return undefined;
  const item = {
    eventTypes: anyTypes.length === 0 ? undefined : anyTypes,
    tags: allTags.length === 0 ? undefined : allTags,
  };
  return { query: { items: [item] }, afterPosition: numberOr0(after) };
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function numberOr0(text: string): string {
  return text.trim() === '' ? '0' : text.trim();
}

/** The commands that try the same. */
export function tryCommands(tried: Tried): Commands {
  const request = tryRequest(tried);
  const { stream, expectedVersion, mustExist, condition } = request;
  const expected = mustExist === true ? 'exists' : expectedVersion;
  return {
    method: 'EventStoreService/Append',
    request,
    sluice: [
      ...['append', stream === '' ? 'STREAM' : stream, '--type', eventType, '--dry-run'],
      ...(expected === undefined ? [] : ['--expected-version', expected]),
      ...(condition === undefined
        ? []
        : ['--unless', JSON.stringify(condition.query), '--after-position', condition.afterPosition ?? '0']),
    ],
  };
}

/** What would become of an append. */
export type Attempt =
  | { readonly kind: 'accepted'; readonly version: string }
  | { readonly kind: 'conflict'; readonly conflict: Conflict; readonly message: string }
  /** `event`: undefined if it can no longer be read. */
  | {
      readonly kind: 'condition';
      readonly position: string;
      readonly event: RecordedEvent | undefined;
      readonly message: string;
    };

/** Throws the CallErrors that are not about version and condition. */
export async function tryAppend(request: AppendRequest, signal: AbortSignal): Promise<Attempt> {
  try {
    const { version = '0' } = await call('EventStoreService/Append', request, signal);
    return { kind: 'accepted', version };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const { message, details } = error;
    if (details.conflict !== undefined) return { kind: 'conflict', conflict: details.conflict, message };
    if (details.condition === undefined) throw error;
    const { position, eventId } = details.condition;
    const { events } = await readCommit(position, signal);
    return { kind: 'condition', position, event: events.find(({ id }) => id === eventId), message };
  }
}
