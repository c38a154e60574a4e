import { parseJson, type RecordedEvent, type SluiceClient } from 'sluice-eventstore';
import type { Longest, Moment, OrderSize, Region, Report } from './report';

/** The report on the orders of a store. Fails like the calls of `client`. */
export async function query(client: SluiceClient): Promise<Report> {
  const { sizes, longest: stream } = await listOrders(client);
  const checkouts = new Map<string, number>();
  const regions: Region[] = [];
  for (const [name, size] of sizes) regions.push(await queryRegion(client, name, size, checkouts));
  const { longest, position } = await queryHistory(client, stream);
  const moment = await queryMoment(client, position);
  return { regions, longest, moment, largest: await queryCheckout(client, mostOf(checkouts)) };
}

type Size = Pick<Region, 'orders' | 'events'>;

/** ListStreams: the regions by name, and the order with the highest version. */
async function listOrders(client: SluiceClient): Promise<{ sizes: Map<string, Size>; longest: string }> {
  const sizes = new Map<string, Size>();
  const versions = new Map<string, number>();
  for await (const { stream, version } of client.listStreams({ pattern: 'order.*.*' })) {
    const [, region = ''] = stream.split('.');
    const { orders, events } = sizes.get(region) ?? { orders: 0, events: 0 };
    sizes.set(region, { orders: orders + 1, events: events + Number(version) });
    versions.set(stream, Number(version));
  }
  return { sizes, longest: mostOf(versions) };
}

/** The name with the highest number; the first by name if there are several. */
function mostOf(numbers: ReadonlyMap<string, number>): string {
  let [most, highest] = ['', 0];
  for (const [name, number] of numbers) {
    if (number > highest || (number === highest && name < most)) [most, highest] = [name, number];
  }
  return most;
}

/** ReadAll by pattern and event types. Also counts the orders of each checkout. */
async function queryRegion(
  client: SluiceClient,
  name: string,
  size: Size,
  checkouts: Map<string, number>,
): Promise<Region> {
  let [paidCents, refundedCents, cancelled] = [0, 0, 0];
  const eventTypes = ['OrderPlaced', 'OrderPaid', 'PaymentRefunded', 'OrderCancelled'];
  for await (const event of client.readAll({ patterns: [`order.${name}.*`], eventTypes })) {
    const { type, correlationId } = event;
    if (type === 'OrderPlaced') checkouts.set(correlationId, (checkouts.get(correlationId) ?? 0) + 1);
    if (type === 'OrderPaid') paidCents += amountOf(event);
    if (type === 'PaymentRefunded') refundedCents += amountOf(event);
    if (type === 'OrderCancelled') cancelled++;
  }
  return { name, ...size, paidCents, refundedCents, cancelled };
}

function amountOf(event: RecordedEvent): number {
  return (parseJson(event) as { readonly amountCents: number }).amountCents;
}

/** ReadStream and GetVersion. Returns the position of the last event, too. */
async function queryHistory(
  client: SluiceClient,
  stream: string,
): Promise<{ longest: Longest; position: bigint }> {
  const { version } = await client.getVersion(stream);
  const history: Longest['history'][number][] = [];
  let position = 0n;
  for await (const event of client.readStream(stream)) {
    const occurredAt = event.metadata.get('occurred-at') ?? '';
    history.push({ version: Number(event.version), occurredAt, type: event.type });
    position = event.position;
  }
  return { longest: { stream, version: Number(version), history }, position };
}

/** ReadAll up to a position. */
async function queryMoment(client: SluiceClient, toPosition: bigint): Promise<Moment> {
  const counts = new Map<string, number>();
  const eventTypes = ['OrderPlaced', 'OrderPaid', 'OrderShipped', 'OrderCancelled'];
  for await (const { type } of client.readAll({ patterns: ['order.>'], eventTypes, toPosition })) {
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  const of = (type: string): number => counts.get(type) ?? 0;
  return {
    placed: of('OrderPlaced'),
    paid: of('OrderPaid'),
    shipped: of('OrderShipped'),
    cancelled: of('OrderCancelled'),
  };
}

/** ReadByCorrelation. */
async function queryCheckout(client: SluiceClient, checkout: string): Promise<Report['largest']> {
  const sizes = new Map<string, number>();
  for await (const { stream } of client.readByCorrelation(checkout)) {
    sizes.set(stream, (sizes.get(stream) ?? 0) + 1);
  }
  const orders: OrderSize[] = [...sizes].map(([stream, events]) => ({ stream, events }));
  return { checkout, orders };
}
