import { RecordedEvent as ProtoRecordedEvent } from '../../generated/sluice/v1/event';
import { jsonEvent, parseJson, type EventHandler, type RecordedEvent } from '../../src/client/client';
import { toRecordedEvent } from '../../src/client/event';

/** Types of events, which only the compiler checks: `npm run typecheck` fails where a line below is wrong, or an error is missing. */

type OrderEvent =
  | { readonly type: 'OrderPlaced'; readonly data: { readonly total: number } }
  | { readonly type: 'OrderPaid'; readonly data: { readonly by: 'card' | 'cash' } };

function recorded(type: string, value: unknown): RecordedEvent {
  const payload = { $case: 'text', value: JSON.stringify(value) } as const;
  return toRecordedEvent(ProtoRecordedEvent.fromPartial({ stream: 'order.1', version: 1n, type, payload }));
}

test('the type of an event tells the type of its value', () => {
  let total = 0;
  const ways: string[] = [];
  const handle: EventHandler<OrderEvent> = (event) => {
    if (event.type === 'OrderPlaced') total += parseJson(event).total;
    else ways.push(parseJson(event).by);
    // @ts-expect-error: there is no such type
    expect(event.type === 'OrderShipped').toBe(false);
  };
  const context = {} as Parameters<typeof handle>[1];
  for (const event of [recorded('OrderPlaced', { total: 3 }), recorded('OrderPaid', { by: 'card' })])
    void handle(event as RecordedEvent<OrderEvent>, context);
  expect({ total, ways }).toEqual({ total: 3, ways: ['card'] });
});

test('without types, the value is unknown, and a typed event is an event', () => {
  const plain: RecordedEvent = recorded('OrderPlaced', { total: 3 });
  const value: unknown = parseJson(plain);
  // @ts-expect-error: nothing is known of it
  expect(parseJson(plain).total).toBe(3);
  expect(value).toEqual({ total: 3 });
});

test('an event of a type has the value of that type', () => {
  expect(jsonEvent<OrderEvent>('OrderPaid', { by: 'cash' })).toMatchObject({ data: '{"by":"cash"}' });
  // @ts-expect-error: the value is that of another type
  expect(jsonEvent<OrderEvent>('OrderPaid', { total: 3 }).type).toBe('OrderPaid');
  expect(jsonEvent('Anything', [1], { id: 'x' })).toMatchObject({ id: 'x', data: '[1]' });
});
