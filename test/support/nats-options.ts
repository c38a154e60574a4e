import type { NatsOptions } from '../../src/jetstream/nats/options';

/** How a store reaches the NATS server of a test, with a login if the server requires one. */
export function natsOptions(
  url: string | readonly string[],
  login: { user?: string; password?: string } = {},
): NatsOptions {
  return {
    servers: [url].flat(),
    user: login.user,
    password: login.password,
    token: undefined,
    credsFile: undefined,
    tls: undefined,
    connectTimeoutMs: 10_000,
    appendConnections: 1,
    readConnections: 1,
  };
}
