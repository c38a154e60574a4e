import { connect as connectNats } from 'nats';
import { connect } from '../../src/client/client';
import { startGuarded, type GuardedGateway } from '../support/access';
import { newEvents } from '../support/attempts';

/** `--record-principal`, on a real auth file and a real nats-server. */

const grants = [{ actions: ['append', 'read'], streams: ['>'] }];
const principals = { alice: { grants }, bob: { grants }, anonymous: { grants } };

/** The header of each message on a stream, from the first to the last. */
async function recordedOn({ nats }: GuardedGateway, stream: string): Promise<(string | undefined)[]> {
  const connection = await connectNats({ servers: nats.url });
  try {
    const { streams } = await connection.jetstreamManager();
    const { state } = await streams.info('EVENTS');
    const found: (string | undefined)[] = [];
    for (let seq = 1; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage('EVENTS', { seq });
      if (message.subject === `es.${stream}`)
        found.push(
          message.header.has('Sluice-Principal') ? message.header.get('Sluice-Principal') : undefined,
        );
    }
    return found;
  } finally {
    await connection.close();
  }
}

test('the principal of each commit is stored beside it, and is no part of the commit', async () => {
  await using guarded = await startGuarded(principals, {}, ['--record-principal']);
  const alice = guarded.as('alice');
  const once = { stream: 'a', events: newEvents(1), commitId: '01890a5d-ac96-774b-bcce-b302099a8057' };
  await alice.append(once);
  expect(await guarded.as('bob').append(once)).toMatchObject({ replayed: true, version: 1n });
  await guarded.as(undefined).append({ stream: 'a', events: newEvents(1) });
  await alice.appendMulti({ appends: ['a', 'b'].map((stream) => ({ stream, events: newEvents(1) })) });
  await alice.append({ stream: 'large', events: newEvents(3, 900_000) }); // in parts
  using sluice = connect(guarded.gateway.address, { token: guarded.file.tokenOf('bob') });
  const session = sluice.appendSession({ inOrder: true });
  await Promise.all(['a', 'b'].map((stream) => session.append(stream, [{ type: 'T' }])));
  await session.close();

  expect(await recordedOn(guarded, 'a')).toEqual(['token:alice', 'anonymous', 'token:alice', 'token:bob']);
  expect(await recordedOn(guarded, 'b')).toEqual(['token:alice', 'token:bob']);
  expect(await recordedOn(guarded, 'large')).toEqual(['token:alice', undefined, undefined]);
  expect((await alice.readAll()).events.map(({ stream }) => stream)).toEqual([
    'a',
    'a',
    'a',
    'b',
    'large',
    'large',
    'large',
    'a',
    'b',
  ]);
});

test('without --record-principal, nothing is stored of it', async () => {
  await using guarded = await startGuarded(principals);
  await guarded.as('alice').append({ stream: 'a', events: newEvents(1) });
  expect(await recordedOn(guarded, 'a')).toEqual([undefined]);
});
