import type { GatewayFacts } from '../gateway';

/** The text on stdout when the gateway serves: its address, where the data is, how safe it is, and a first command. */
export function banner(facts: GatewayFacts): string {
  const security = { none: 'plain text', server: 'TLS', mutual: 'TLS with client certificates' }[facts.tls];

  return [
    `Sluice ${facts.version} serves gRPC on ${facts.address} (${security}).`,
    ...httpLines(facts),
    accessText(facts),
    dataText(facts),
    `Reads are served from a replica of the log in ${facts.replicaDir}.${fillingText(facts)}`,
    `An acknowledged append ${durabilityText[facts.durability](facts.replicas)}`,
    'Try it:',
    `  ${grpcurlLine(facts)}`,
    '',
  ].join('\n');
}

function httpLines({ httpAddress }: GatewayFacts): string[] {
  return httpAddress === undefined
    ? []
    : [
        `The console, metrics and health are on http://${reachable(httpAddress)}: /, /metrics, /livez, /readyz.`,
      ];
}

function accessText({ address, tls, authFile }: GatewayFacts): string {
  if (authFile !== undefined) return `Access control is on: ${authFile} says what callers may do.`;
  if (tls === 'mutual')
    return 'Access control is off: every caller with a client certificate may do everything.';
  const callers = address.startsWith('unix:') ? 'every process of this user' : 'every caller';
  return `Access control is off: ${callers} may do everything.`;
}

function dataText({ store, embedded, servers }: GatewayFacts): string {
  if (embedded === undefined) return `Events are stored in ${store} by NATS at ${servers.join(', ')}.`;
  const { version, dataDir } = embedded;
  return `Events are stored in ${dataDir} by the embedded nats-server ${version}, as ${store}.`;
}

const durabilityText: Readonly<Record<GatewayFacts['durability'], (replicas: number) => string>> = {
  fsyncAlways: () => 'is synced to disk: it survives a crash and a power failure.',
  fsyncInterval: () =>
    'is written to the operating system and synced to disk within two minutes: it survives a crash of the ' +
    'process, but a power failure can lose it.',
  unknown: (replicas) =>
    (replicas === 1
      ? 'is stored by one NATS server'
      : `is stored by a majority of ${replicas.toString()} NATS servers`) +
    '. Their setting sync_interval decides when it is synced to disk.',
};

function fillingText({ filling }: GatewayFacts): string {
  if (filling === undefined) return '';
  const { applied, end, restMs } = filling;
  const rest = restMs === undefined ? '' : `, about ${Math.ceil(restMs / 1_000).toString()} s to go`;
  return (
    ` It is being filled and is at position ${applied.toString()} of ${end.toString()}${rest}.` +
    ' Until it is filled, appends work and reads end with REPLICA_FILLING.'
  );
}

function grpcurlLine(facts: GatewayFacts): string {
  const { address, tls, authFile, reflection } = facts;
  const security = {
    none: '-plaintext',
    server: '-cacert ca.pem',
    mutual: '-cacert ca.pem -cert client.pem -key client.key',
  }[tls];
  const request = '{"stream":"demo.1","events":[{"type":"Greeted","text":"hello"}]}';
  return [
    'grpcurl',
    security,
    ...(authFile !== undefined && tls !== 'mutual' ? ['-H "authorization: Bearer $(cat me.token)"'] : []),
    ...(reflection === 'off' ? ['-import-path proto -proto sluice/v1/event_store_service.proto'] : []),
    `-d '${request}'`,
    grpcurlTarget(address),
    'sluice.v1.EventStoreService/Append',
  ].join(' ');
}

function grpcurlTarget(address: string): string {
  // As it is: the flag -unix has no effect in grpcurl 1.9.3.
  if (address.startsWith('unix:')) return `'${address}'`;
  return reachable(address);
}

/** Clients cannot connect to a wildcard address. */
function reachable(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\])(?=:\d+$)/, 'localhost');
}
