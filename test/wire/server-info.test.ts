import { withGateway } from '../support/gateway';
import { until, type TestNats } from '../support/nats-server';
import type { WireClient, WireMessage } from '../support/wire-client';

const apiTotal = async (nats: TestNats): Promise<number> =>
  ((await nats.monitor('/jsz'))['api'] as { total: number }).total;

const positionOf = async (wire: WireClient): Promise<bigint> => {
  const { store } = (await wire.unary('GetServerInfo', {})) as { store: WireMessage };
  return BigInt((store['position'] as string | undefined) ?? '0');
};

test(
  'a client that calls GetServerInfo all the time costs NATS next to nothing',
  () =>
    withGateway([], async (wire, nats) => {
      await positionOf(wire);
      const [begun, before] = [performance.now(), await apiTotal(nats)];
      await Promise.all(Array.from({ length: 500 }, () => positionOf(wire)));
      for (let i = 0; i < 500; i++) await positionOf(wire);
      const seconds = Math.ceil((performance.now() - begun) / 1_000);
      // Each second the log and the index are asked for, and now and then the list of streams; the gateway asks for its own ends too.
      expect((await apiTotal(nats)) - before).toBeLessThan(10 * (seconds + 1));
    }),
  60_000,
);

test(
  'what GetServerInfo tells is at most a second old',
  () =>
    withGateway([], async (wire) => {
      for (let i = 0; i < 4; i++) {
        await positionOf(wire);
        const { position } = await wire.unary('Append', {
          stream: 'a',
          events: [{ type: 'A' }],
        });
        const servedAt = performance.now();
        // The loop would end at once if each call asked NATS again, and never if a result were kept.
        for (;;) {
          const asked = performance.now();
          if ((await positionOf(wire)) >= BigInt(position as string)) break;
          expect(asked - servedAt).toBeLessThan(1_000);
        }
      }
    }),
  60_000,
);

test(
  'that NATS cannot be reached is not kept',
  () =>
    withGateway(['--request-timeout-ms=500'], async (wire, nats) => {
      await positionOf(wire);
      await nats.kill();
      await until(() =>
        positionOf(wire).then(
          () => false,
          () => true,
        ),
      );
      await nats.start();
      await until(
        () =>
          positionOf(wire).then(
            () => true,
            () => false,
          ),
        20_000,
      );
    }),
  60_000,
);
