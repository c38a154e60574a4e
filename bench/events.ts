import { randomUUID } from 'node:crypto';
import type { Event } from '../generated/sluice/v1/event';

const payloadBytes = 200;

/** JSON, like most events. */
const payload = JSON.stringify({
  customer: 'c-4711',
  currency: 'EUR',
  lines: [{ sku: 'A-1', count: 2, price: 1990 }],
  note: '',
});
const text = payload.replace('"note":""', `"note":"${'x'.repeat(payloadBytes - payload.length)}"`);

/** Events of one business transaction, each with its own id. */
export function newEvents(count: number, correlationId: string = randomUUID()): Event[] {
  return Array.from({ length: count }, () => {
    const id = randomUUID();
    return {
      id,
      type: 'OrderPlaced',
      payload: { $case: 'text', value: text },
      contentType: 'application/json',
      correlationId,
      causationId: id,
      tags: [],
      metadata: new Map<string, string>(),
    };
  });
}
