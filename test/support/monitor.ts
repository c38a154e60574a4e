import { until, type TestNats } from './nats-server';

/** One client connection on the monitoring port. Messages and bytes from the point of view of the server. */
export interface ClientConnection {
  readonly name: string;
  readonly subscriptions: number;
  /** From the client to the server. */
  readonly in_msgs: number;
  readonly out_msgs: number;
  readonly out_bytes: number;
  /** undefined: plain text. */
  readonly tls_version?: string;
  /** Undefined without a login. */
  readonly authorized_user?: string;
}

/** The client connections of all these servers, in the order of their names. */
export async function connectionsOf(nodes: readonly TestNats[]): Promise<ClientConnection[]> {
  const answers = await Promise.all(nodes.map((node) => node.monitor('/connz?auth=true')));
  const connections = answers.flatMap(({ connections: of }) => of as ClientConnection[]);
  return connections.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Sums a number over the connections of the gateways that carry appends and single requests, or reads. */
export async function sumOver(
  nodes: readonly TestNats[],
  role: 'append' | 'read',
  field: 'in_msgs' | 'out_msgs' | 'out_bytes',
): Promise<number> {
  const connections = await connectionsOf(nodes);
  return connections
    .filter(({ name }) => name.startsWith(`sluice-${role}-`))
    .reduce((sum, connection) => sum + connection[field], 0);
}

/** How many connections gateways have to these servers. */
export async function gatewayConnections(nodes: readonly TestNats[]): Promise<number> {
  const connections = await connectionsOf(nodes);
  return connections.filter(({ name }) => /^sluice-(append|read|tail)-/.test(name)).length;
}

/** How many JetStream consumers these servers have, over all streams. */
export async function consumersOf(nodes: readonly TestNats[]): Promise<number> {
  const answers = await Promise.all(nodes.map((node) => node.monitor('/jsz?streams=true&consumers=true')));
  return answers.reduce((sum, { consumers }) => sum + (consumers as number), 0);
}

/** The server that leads the store, or the only server. */
export async function leaderOf(nodes: readonly TestNats[]): Promise<TestNats> {
  const [only, ...others] = nodes;
  if (only !== undefined && others.length === 0) return only;
  let found: TestNats | undefined;
  await until(async () => {
    for (const node of nodes) {
      const { account_details: accounts } = await node.monitor('/jsz?streams=true');
      const [account] = accounts as { stream_detail: { name: string; cluster: { leader?: string } }[] }[];
      const store = account?.stream_detail.find(({ name }) => name === 'EVENTS');
      found = nodes.find(({ port }) => store?.cluster.leader === `n${port.toString()}`);
      if (found !== undefined) return true;
    }
    return false;
  });
  return found as TestNats;
}
