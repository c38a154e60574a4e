import { sequenceAfter, type Sequence } from '../../store/values';
import { sentHeader } from '../nats/headers';
import { publishedHeader, type StoredMessage } from '../nats/message';

const fraction = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/;

/** The first and the last sequence of the atomic batch to which a message belongs, by its headers; outside a batch both are its own. */
export function batchEndOf({ headers, sequence }: Pick<StoredMessage, 'headers' | 'sequence'>): {
  readonly first: Sequence;
  readonly last: Sequence;
} {
  const text = publishedHeader(headers, sentHeader.transaction) ?? publishedHeader(headers, sentHeader.part);
  const [, n = '1', m = '1'] = fraction.exec(text ?? '') ?? [];
  const [number, count] = [BigInt(n), BigInt(m)];
  if (number > count || number > sequence) return { first: sequence, last: sequence };
  return { first: sequenceAfter(sequence, 1n - number), last: sequenceAfter(sequence, count - number) };
}
