import { connect, headers } from 'nats';
import { startTestGateway, type TestGateway } from './gateway';
import { startNats } from './nats-server';

/** A gateway, and a stranger with a login at its NATS server that publishes where only Sluice should. */
export interface WithStranger extends AsyncDisposable {
  readonly natsUrl: string;
  readonly gateway: TestGateway;
  /** Publishes on the subject of a stream; resolves with the position. */
  publish(
    stream: string,
    body: string | Uint8Array,
    fields?: Readonly<Record<string, string>>,
  ): Promise<bigint>;
}

export async function startWithStranger(): Promise<WithStranger> {
  const nats = await startNats();
  const gateway = await startTestGateway([nats.url]);
  const stranger = await connect({ servers: nats.url });
  return {
    natsUrl: nats.url,
    gateway,
    async publish(stream, body, fields = {}) {
      const made = headers();
      for (const [name, value] of Object.entries(fields)) made.append(name, value);
      const { seq } = await stranger.jetstream().publish(`es.${stream}`, body, { headers: made });
      return BigInt(seq);
    },
    async [Symbol.asyncDispose]() {
      await stranger.close();
      await gateway[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    },
  };
}
