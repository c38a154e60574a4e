import pino from 'pino';
import { defaultLimits, type Limits } from '../../src/limits';
import { openStore } from '../../src/open-store';
import { leftToNats } from '../../src/store/durability';
import { makeReplicaDir } from '../support/replica-dir';
import { startTestGateway } from '../support/gateway';
import { createModelStore } from '../support/model-store';
import { natsOptions } from '../support/nats-options';
import { directContract, rpcContract, type ContractStore } from './contract-store';

/** A store of its own, new and empty. */
export interface OpenedContract extends ContractStore, AsyncDisposable {}

/** Bounds that a test may set. */
export type SetLimits = Partial<Pick<Limits, 'eventBytesMax' | 'appendBytesMax' | 'duplicateWindowMs'>>;

/** A way to open a new store. */
export type OpenContract = (limits?: SetLimits) => Promise<OpenedContract>;

/** The in-memory model. Its clock never tells one time twice, as that of a server does not. */
export const openModel: OpenContract = (set) => {
  const limits = { ...defaultLimits, ...set };
  let last = 0n;
  const now = (): bigint => {
    const time = BigInt(Date.now()) * 1_000_000n;
    return (last = time > last ? time : last + 1n);
  };
  return Promise.resolve({
    ...directContract(createModelStore({ limits, now }), limits),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
};

/** What JetStream knows a store by. */
export interface StoreNames {
  readonly name: string;
  readonly prefix: string;
}

let stores = 0;

/** Stores of one NATS server must not share a name or a prefix. */
export function newStore(): StoreNames {
  stores++;
  return { name: `STORE_${stores}`, prefix: `s${stores}` };
}

/** JetStream without a gateway before it. */
export async function openJetStream(
  natsUrl: string,
  set: SetLimits = {},
  names: StoreNames = newStore(),
): Promise<OpenedContract> {
  const limits = { ...defaultLimits, ...set };
  const replicaDir = makeReplicaDir();
  const store = await openStore({
    nats: natsOptions(natsUrl),
    store: { ...names, replicas: 1 },
    mayCreate: true,
    limits,
    durability: leftToNats,
    log: pino({ level: 'silent' }),
    replicaDir,
  });
  return { ...directContract(store, limits), [Symbol.asyncDispose]: () => store.close() };
}

/** A gateway on JetStream, over gRPC. */
export async function openOverRpc(
  natsUrl: string,
  set: SetLimits = {},
  { name, prefix }: StoreNames = newStore(),
): Promise<OpenedContract> {
  const flags = [`--store-name=${name}`, `--store-prefix=${prefix}`];
  if (set.eventBytesMax !== undefined) flags.push(`--event-bytes-max=${set.eventBytesMax}`);
  if (set.appendBytesMax !== undefined) flags.push(`--append-bytes-max=${set.appendBytesMax}`);
  const gateway = await startTestGateway([natsUrl], flags);
  return {
    ...rpcContract(gateway.client),
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
    },
  };
}
