import { CommitRecord, RecordedEvent } from '../../../generated/sluice/v1/event';
import type { StreamJob } from './append-job';

/**
 * Whether a stored commit has what a job would store. An id that the caller left to the store is another one in each
 * attempt, and so is what it stands for where a correlation or causation id was left out.
 */
export function hasSameContent({ encoded, idsGiven }: StreamJob, record: Uint8Array): boolean {
  const { events } = CommitRecord.decode(record);
  return (
    events.length === encoded.length &&
    events.every((event, index) => {
      const given = RecordedEvent.decode(encoded[index] as Uint8Array);
      const keepsId = idsGiven[index] === true;
      return comparable(event, keepsId).equals(comparable(given, keepsId));
    })
  );
}

/** The bytes of what the caller gave. Map entries keep their order, in which a caller may send them anew. */
function comparable({ id, correlationId, causationId, ...event }: RecordedEvent, keepsId: boolean): Buffer {
  const unlessOwn = (other: string): string => (other === id ? '' : other);
  const metadata = new Map([...event.metadata].sort(([a], [b]) => (a < b ? -1 : 1)));
  return Buffer.from(
    RecordedEvent.encode({
      ...event,
      id: keepsId ? id : '',
      correlationId: unlessOwn(correlationId),
      causationId: unlessOwn(causationId),
      metadata,
      version: 0n,
      position: 0n,
      commitTime: undefined,
    }).finish(),
  );
}
