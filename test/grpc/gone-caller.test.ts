import { once } from 'node:events';
import pino from 'pino';
import { noAudit } from '../../src/auth/audit';
import { openGuard } from '../../src/auth/guard';
import { startGrpcServer } from '../../src/grpc/server';
import { defaultLimits } from '../../src/limits';
import type { CallContext, EventStore } from '../../src/store/event-store';
import { FakeGroups } from '../support/fake-groups';
import { createModelStore } from '../support/model-store';
import { openAccess } from '../support/open-access';
import { until } from '../support/nats-server';
import { connectWire } from '../support/wire-client';

test('a read whose caller goes before the response is ready frees its slot', async () => {
  const model = createModelStore();
  let gone = false;
  let begun = false;
  const store: EventStore = {
    ...model,
    // The first response is ready only after its caller has gone.
    async readStream(query, call) {
      const isFirst = !begun;
      begun = true;
      if (isFirst) await once(call.signal, 'abort');
      const { head } = await model.readStream(query, nobody());
      gone ||= isFirst;
      return { head, pages: [{ runs: [], end: 'complete' }] };
    },
  };
  const server = await startGrpcServer({
    address: '127.0.0.1:0',
    tls: undefined,
    store,
    groups: new FakeGroups(),
    guard: openGuard,
    recordPrincipal: false,
    audit: noAudit,
    reflection: 'on',
    limits: { ...defaultLimits, readsMax: 1, connectionReadsMax: 1, readStallTimeoutMs: 60_000 },
    about: { version: '0', durability: 'unknown', embedded: false, access: openAccess },
    slowCallMs: 0,
    tracing: undefined,
    log: pino({ level: 'silent' }),
  });
  using wire = connectWire(server.address);
  try {
    const read = wire.open('ReadStream', { stream: 'a.1' }).on('error', () => undefined);
    await until(() => begun);
    read.cancel();
    await until(() => gone);
    await until(() =>
      wire.stream('ReadStream', { stream: 'a.1' }).then(
        () => true,
        () => false,
      ),
    );
  } finally {
    await server.close();
  }
});

function nobody(): CallContext {
  return { signal: new AbortController().signal, deadlineMs: Infinity };
}
