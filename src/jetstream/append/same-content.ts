import { CommitRecord, RecordedEvent } from '../../../generated/sluice/v1/event';
import { traceContextKeys } from '../../store/trace';
import type { WrittenEvent } from './transaction';

/**
 * Whether a stored commit has the events that would be written. An id that the gateway filled in differs in each call, and so does
 * a correlation or causation id that was derived from it: these are not compared, nor is the trace that the events were appended in.
 */
export function hasSameContent(written: readonly WrittenEvent[], record: Uint8Array): boolean {
  const { events } = CommitRecord.decode(record);
  return (
    events.length === written.length &&
    events.every((event, index) => {
      const { bytes, hasGivenId } = written[index] as WrittenEvent;
      return comparable(event, hasGivenId).equals(comparable(RecordedEvent.decode(bytes), hasGivenId));
    })
  );
}

/** Whether an erased commit may have had the events that would be written: of their contents only ids and types remain. */
export function mayHaveHad(written: readonly WrittenEvent[], record: Uint8Array): boolean {
  const { events } = CommitRecord.decode(record);
  return (
    events.length === written.length &&
    events.every(({ id, type }, index) => {
      const { bytes, hasGivenId } = written[index] as WrittenEvent;
      const event = RecordedEvent.decode(bytes);
      return event.type === type && (!hasGivenId || event.id === id);
    })
  );
}

/** The bytes of what the caller gave. Map entries are sorted, since a caller may send them in another order. */
function comparable({ id, correlationId, causationId, ...event }: RecordedEvent, keepsId: boolean): Buffer {
  const unlessOwn = (other: string): string => (other === id ? '' : other);
  const compared = [...event.metadata].filter(([key]) => !traceContextKeys.includes(key));
  const metadata = new Map(compared.sort(([a], [b]) => (a < b ? -1 : 1)));
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
