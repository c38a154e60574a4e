import type { Durability, GatewayFacts } from '../gateway';

/** What a user sees when the gateway serves: where it is, where the data is, how safe it is, and what to try. */
export function banner(facts: GatewayFacts): string {
  const security = { none: 'plain text', server: 'TLS', mutual: 'TLS with client certificates' }[facts.tls];
  const data =
    facts.embedded === undefined
      ? `in NATS at ${facts.servers.join(', ')}`
      : `in ${facts.embedded.dataDir}, kept by an own nats-server ${facts.embedded.version}`;
  return [
    `Sluice ${facts.version} serves gRPC on ${facts.address} (${security}).`,
    `Data: store ${facts.store} ${data}.`,
    `Reads: from a replica of the log in ${facts.replicaDir}.${fillingText(facts)}`,
    `An answered append ${durabilityText[facts.durability](facts.replicas)}`,
    'Try it:',
    `  ${grpcurlLine(facts)}`,
    '',
  ].join('\n');
}

const durabilityText: Readonly<Record<Durability, (replicas: number) => string>> = {
  fsyncAlways: () => 'is written and synced to disk: it survives a crash and a loss of power.',
  fsyncInterval: () =>
    'is with the operating system and synced to disk within two minutes: it survives a crash of the process, ' +
    'but perhaps not a loss of power.',
  unknown: (replicas) =>
    (replicas === 1
      ? 'is stored by one NATS server'
      : `is stored by a majority of ${replicas.toString()} NATS servers`) +
    "; when it is synced to disk is set by sync_interval in the servers' configuration.",
};

function fillingText({ filling }: GatewayFacts): string {
  if (filling === undefined) return '';
  const { applied, end, restMs } = filling;
  const rest = restMs === undefined ? '' : `, about ${Math.ceil(restMs / 1_000).toString()} s are left`;
  return (
    ` It is being filled: it has come to position ${applied.toString()} of ${end.toString()}${rest}.` +
    ' Appends go on; reads end with REPLICA_FILLING until then.'
  );
}

function grpcurlLine({ address, tls }: GatewayFacts): string {
  const security = {
    none: '-plaintext',
    server: '-cacert ca.pem',
    mutual: '-cacert ca.pem -cert client.pem -key client.key',
  }[tls];
  // A wildcard address is not one to connect to.
  const target = address.replace(/^(0\.0\.0\.0|\[::\])(?=:\d+$)/, 'localhost');
  const request = '{"stream":"demo.1","events":[{"type":"Greeted","text":"hello"}]}';
  return `grpcurl ${security} -d '${request}' ${target} sluice.v1.EventStoreService/Append`;
}
