import { connect } from 'nats';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';

test.each(['null', '{"error":null}', '{"stream":"EVENTS","seq":1.5}', '{"seq":"1"}', '7', 'no JSON', ''])(
  'an answer to an append that is not from NATS decides nothing: %j',
  async (body) => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const stranger = await connect({ servers: nats.url });
    stranger.subscribe('es.>', { callback: (_error, message) => message.respond(body) });
    await stranger.flush();
    for (let version = 1n; version <= 20n; version++) {
      const appended = await gateway.client.append({ stream: 'foreign.1', events: newEvents(1) });
      expect(appended.version).toBe(version);
    }
    await stranger.close();
  },
);
