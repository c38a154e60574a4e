import { parseJson, type RecordedEvent } from 'sluice-eventstore';

/** What happens to an order. Its stream is `order.<id>`. */
export type OrderEvent =
  | { readonly type: 'OrderPlaced'; readonly data: OrderPlaced }
  | { readonly type: 'ItemAdded'; readonly data: ItemAdded }
  | { readonly type: 'OrderPaid' }
  | { readonly type: 'OrderShipped' }
  | { readonly type: 'OrderCancelled' };

export interface OrderPlaced {
  readonly customer: string;
}

export interface ItemAdded {
  readonly sku: string;
  readonly quantity: number;
  /** The price of one piece. */
  readonly priceCents: number;
}

const streamPrefix = 'order.';
/** The streams of all orders. */
export const orderStreams = `${streamPrefix}>`;

export function streamOf(orderId: string): string {
  return streamPrefix + orderId;
}

export function orderIdOf(stream: string): string {
  return stream.slice(streamPrefix.length);
}

/** undefined for any other event: other programs may write to these streams, too. */
export function toOrderEvent(event: RecordedEvent): OrderEvent | undefined {
  const { type } = event;
  switch (type) {
    case 'OrderPlaced': {
      const { customer } = fieldsOf(event);
      return typeof customer === 'string' ? { type, data: { customer } } : undefined;
    }
    case 'ItemAdded': {
      const { sku, quantity, priceCents } = fieldsOf(event);
      if (typeof sku !== 'string' || !isCount(quantity) || !isCount(priceCents)) return undefined;
      return { type, data: { sku, quantity, priceCents } };
    }
    case 'OrderPaid':
    case 'OrderShipped':
    case 'OrderCancelled':
      return { type };
    default:
      return undefined;
  }
}

function fieldsOf(event: RecordedEvent): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(event);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {}; // not JSON
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
