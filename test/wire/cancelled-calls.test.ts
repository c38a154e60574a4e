import { once } from 'node:events';
import { constants } from 'node:http2';
import { withGateway } from '../support/gateway';
import { openCall, openSession, statusOf } from '../support/raw-http2';

/** Before, Node.js has no setting for it, see connection_cancels_max in docs/configuration.md. */
const hasSetting = Number(process.versions.node.split('.')[0]) >= 24;

(hasSetting ? test : test.skip)('a connection may cancel many calls, and keeps its others', () =>
  withGateway([], async (_wire, _nats, address) => {
    const session = openSession(address);
    const kept = openCall(session, 'AppendSession');
    // Three times as many as nghttp2 takes by default.
    for (let round = 0; round < 30; round++) {
      const calls = Array.from({ length: 100 }, () => openCall(session, 'AppendSession'));
      await Promise.all(
        calls.map((call) => {
          const closed = once(call, 'close');
          call.close(constants.NGHTTP2_CANCEL);
          return closed;
        }),
      );
    }
    const status = statusOf(kept);
    kept.end();
    expect(await status).toBe(0);
    session.destroy();
  }),
);
