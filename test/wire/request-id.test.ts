import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { makeAuthFile } from '../support/access';
import { withGateway } from '../support/gateway';
import { connectWire, requestIdIn, type WireClient, type WireMessage } from '../support/wire-client';

function named(...ids: readonly string[]): { metadata: Metadata } {
  const metadata = new Metadata();
  for (const id of ids) metadata.add('x-request-id', id);
  return { metadata };
}

interface Ended {
  /** Of the trailer. */
  readonly id: string | undefined;
  /** Of the details; undefined: the call succeeded. */
  readonly detail: unknown;
}

/** Makes a call, and gives the ids that come back. */
async function idsOf(
  wire: WireClient,
  [method, request]: readonly [string, WireMessage],
  options: { metadata: Metadata } = named(),
): Promise<Ended> {
  const call = wire.open(method, request, options);
  const ended = new Promise<StatusObject>((resolve) => call.once('status', resolve));
  const messages = call.toArray().catch(() => undefined);
  const { metadata } = await ended;
  const [id] = metadata.get('x-request-id');
  const [details] = metadata.get('grpc-status-details-bin');
  await messages;
  return { id: id as string | undefined, detail: details && requestIdIn(details as Buffer) };
}

const append = ['Append', { stream: 'a.1', events: [{ type: 'A' }] }] as const;
const conflict = ['Append', { stream: 'a.1', events: [{ type: 'A' }], expected_version: '77' }] as const;
const read = ['ReadStream', { stream: 'a.1' }] as const;
const bigRead = ['ReadAll', {}] as const;
const invalid = ['ReadStream', { stream: '' }] as const;

test('the id that a caller gives comes back in the trailers, and in the details of an error', () =>
  withGateway([], async (wire) => {
    const longest = '~'.repeat(128);
    for (const call of [append, read, bigRead, ['GetServerInfo', {}] as const])
      expect(await idsOf(wire, call, named('my-id'))).toEqual({ id: 'my-id', detail: undefined });
    for (const call of [conflict, invalid])
      expect(await idsOf(wire, call, named(longest))).toEqual({ id: longest, detail: longest });
  }));

test('a read of many messages has it too', () =>
  withGateway([], async (wire) => {
    const events = Array.from({ length: 500 }, () => ({ type: 'A', text: 'x'.repeat(200) }));
    await wire.unary('Append', { stream: 'a.1', events });
    expect(await idsOf(wire, bigRead, named('r'))).toEqual({ id: 'r', detail: undefined });
  }));

test('without a usable id, an error has one that the gateway makes, and a success does not', () =>
  withGateway([], async (wire) => {
    const unusable = [named(), named('two words'), named(''), named('x'.repeat(129)), named('one', 'two')];
    const seen = new Set<string>();
    for (const options of unusable) {
      expect(await idsOf(wire, append, options)).toEqual({ id: undefined, detail: undefined });
      const { id, detail } = await idsOf(wire, conflict, options);
      expect(id).toMatch(/^[\w-]{8}-[0-9a-z]+$/);
      expect(detail).toBe(id);
      seen.add(id as string);
    }
    expect(seen.size).toBe(unusable.length);
  }));

test('an append of a session that fails has the id of the session', () =>
  withGateway([], async (wire) => {
    const session = wire.duplex('AppendSession', named('s-1'));
    session.write({ appends: [{ tag: '1', append: conflict[1] }] });
    const answers = await new Promise<WireMessage[]>((resolve) =>
      session.once('data', (message: WireMessage) => {
        resolve(message['answers'] as WireMessage[]);
      }),
    );
    expect(requestIdIn(answers[0]?.['error'] as WireMessage)).toBe('s-1');
    const ended = new Promise<StatusObject>((resolve) => session.once('status', resolve));
    session.end();
    expect((await ended).metadata.get('x-request-id')).toEqual(['s-1']);
  }));

test('a caller that is refused gets it as well', () => {
  const file = makeAuthFile({ writer: {} });
  file.write({ writer: {} });
  return withGateway([`--auth-file=${file.path}`], async (_wire, _nats, address) => {
    using stranger = connectWire(address, { token: 'nobody' });
    expect(await idsOf(stranger, append, named('who'))).toEqual({ id: 'who', detail: 'who' });
  });
});
