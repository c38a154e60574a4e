import type { Sequence } from '../../store/values';
import { parseInteger, parseSequence } from './message';

/** The metadata of a message that a consumer delivers. */
export interface DeliveryMetadata {
  readonly sequence: Sequence;
  /** 1 for the first message that the consumer delivered. */
  readonly delivery: number;
  readonly timeNanos: bigint;
  /** Messages that the consumer has yet to deliver. */
  readonly pending: number;
}

/**
 * Parses `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivery>.<time>.<pending>`. A newer version of the format has domain
 * and account before the stream, and a token at the end (server/consumer.go).
 */
export function parseAckSubject(subject: string): DeliveryMetadata | undefined {
  const dots: number[] = [];
  for (let dot = subject.indexOf('.'); dot >= 0; dot = subject.indexOf('.', dot + 1)) dots.push(dot);
  const at = dots.length === 8 ? 4 : 6;
  const [before, sequenceEnd, deliveryEnd, timeEnd, pendingEnd] = dots.slice(at, at + 5);
  if (before === undefined || timeEnd === undefined) return undefined;
  return {
    sequence: parseSequence(subject.slice(before + 1, sequenceEnd)),
    delivery: Number(subject.slice((sequenceEnd as number) + 1, deliveryEnd)),
    timeNanos: parseInteger(subject.slice((deliveryEnd as number) + 1, timeEnd)),
    pending: Number(subject.slice(timeEnd + 1, pendingEnd)),
  };
}
