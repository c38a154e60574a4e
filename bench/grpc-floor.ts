import { startClients } from './clients';
import { streamName, type Operation } from './job';
import type { Row } from './measure';
import { prefill } from './prefill';
import { calls, runTable, type Run, type Table } from './run';
import { durability, startBareServer, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

const versionStreams = { prefix: 'version', count: 64 };

/** The gateway and a gRPC server that does nothing: the cost of a call without Sluice and NATS. */
export function grpcFloor(run: Run): Promise<Table | undefined> {
  const { settings, peaks } = run;
  const title = 'gateway and bare gRPC';
  const about =
    `Durability: ${durability.interval}. Bare: the same generated service on grpc-js, with handlers that respond at once ` +
    'and store nothing (bench/bare-server.ts): no gateway on grpc-js is faster on this machine.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await using bare = await startBareServer();
    await prefill(
      nats.url,
      Array.from({ length: versionStreams.count }, (_, i) => ({
        stream: streamName(versionStreams.prefix, 0, i),
        events: 1,
      })),
    );
    await using gatewayClients = await startClients(settings.clients, gateway.address, nats.url);
    await using bareClients = await startClients(settings.clients, bare.address, nats.url);
    return await use({
      sides: [
        { label: 'gateway', clients: gatewayClients, peer: 'generated' },
        { label: 'bare', clients: bareClients, peer: 'generated' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

function rows(sizes: Sizes): Row[] {
  const version: Operation = { kind: 'version', streams: versionStreams, version: 1 };
  return [1, sizes.manyCallers].flatMap((callers): Row[] => {
    const callsEach = calls(callers === 1 ? 2_000 : 250, sizes);
    const append: Operation = {
      kind: 'append',
      streams: `floor-${callers}`,
      events: 1,
      callsPerStream: Number.MAX_SAFE_INTEGER,
      version: 0,
    };
    return [
      { what: 'append of 1 event', callers, callsEach, events: 1, operations: [append, append] },
      { what: 'GetVersion', callers, callsEach, events: 0, operations: [version, version] },
    ];
  });
}
