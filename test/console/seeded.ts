import { randomUUID } from 'node:crypto';
import { connect, jsonEvent, ParkEvent, type SluiceClient } from '../../src/client/client';

/** Fills a store with what the pages of the console show: orders that cause each other, a group with parked events, bytes. */
export async function seed(address: string): Promise<void> {
  using client = connect(address);
  for (let i = 1; i <= 12; i++) await order(client, i);
  await client.append('order.1', [
    { type: 'LabelPrinted', data: Buffer.from(Array.from({ length: 300 }, (_, i) => i % 256)) },
  ]);
  await park(client);
}

async function order(client: SluiceClient, i: number): Promise<void> {
  const stream = `order.${i.toString()}`;
  const correlationId = `checkout-${Math.ceil(i / 3).toString()}`;
  const ids = Array.from({ length: 4 }, () => randomUUID());
  const event = (
    at: number,
    type: string,
    data: object,
    causationId?: string,
  ): Parameters<SluiceClient['append']>[1][number] => ({
    ...jsonEvent(type, data),
    id: ids[at],
    correlationId,
    causationId,
    tags: [`customer:${Math.ceil(i / 3).toString()}`],
    metadata: { service: 'shop', trace: `t-${i.toString()}` },
  });
  await client.append(stream, [
    event(0, 'OrderPlaced', {
      total: 30 + i,
      lines: [
        { sku: 'tea', count: 2 },
        { sku: 'cup', count: 1 },
      ],
      gift: i % 2 === 0,
      note: null,
    }),
    event(1, 'OrderConfirmed', { by: 'shop' }, ids[0]),
  ]);
  await client.append(`payment.${i.toString()}`, [
    event(2, 'PaymentTaken', { amount: 30 + i, method: 'card' }, ids[1]),
  ]);
  await client.append(stream, [event(3, 'OrderShipped', { parcel: `P-${i.toString()}` }, ids[2])]);
}

async function park(client: SluiceClient): Promise<void> {
  await client.groups.create('emails', { settings: { patterns: ['order.*'], lanes: 4 } });
  const stop = new AbortController();
  await client.consume(
    'emails',
    (event) => {
      if (event.type === 'OrderShipped' && Number(event.version) === 3)
        throw new ParkEvent('the mail server refused the address');
    },
    {
      member: 'mailer-1',
      stop: stop.signal,
      onCaughtUp: () => {
        stop.abort();
      },
    },
  );
}
