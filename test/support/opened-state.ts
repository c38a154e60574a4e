import pino from 'pino';
import { createState, type JetStreamState } from '../../src/jetstream/state/jetstream-state';
import { callApi } from '../../src/jetstream/nats/api';
import { logConfig } from '../../src/jetstream/nats/open-stream';
import { openPool, type NatsPool } from '../../src/jetstream/nats/pool';
import { defaultLimits } from '../../src/limits';
import { natsOptions } from './nats-options';

/** The state of a store as one gateway has it, without the gateway. */
export interface OpenedState extends AsyncDisposable {
  readonly state: JetStreamState;
  readonly pool: NatsPool;
  /** Of the stream of the records. */
  readonly name: string;
}

let stores = 0;

/** Another gateway of a store. */
export async function openState(
  urls: string | readonly string[],
  store: string,
  replicas = 1,
  login: { readonly user?: string; readonly password?: string } = {},
): Promise<OpenedState> {
  const logger = pino({ level: 'silent' });
  const options = { ...natsOptions(urls, login), appendConnections: 1, readConnections: 1 };
  const pool = await openPool(options, defaultLimits, logger);
  const state = createState({ pool, stream: { name: store, replicas }, limits: defaultLimits, logger });
  return {
    state,
    pool,
    name: `${store}_STATE`,
    async [Symbol.asyncDispose]() {
      state.close();
      await pool.close();
    },
  };
}

/** A new store with an empty log, and one gateway. Resolves with the name of the store as well. */
export async function openNewState(
  urls: string | readonly string[],
  replicas = 1,
): Promise<OpenedState & { readonly store: string }> {
  stores++;
  const store = `STATE_TEST_${process.pid}_${stores}`;
  const opened = await openState(urls, store, replicas);
  const config = logConfig({ name: store, prefix: store.toLowerCase(), replicas }, defaultLimits);
  await callApi(opened.pool.append(), `STREAM.CREATE.${store}`, config, { timeoutMs: 10_000 });
  return { ...opened, store };
}
