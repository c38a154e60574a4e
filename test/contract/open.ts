import pino from 'pino';
import { defaultLimits, type Limits } from '../../src/limits';
import { openStore } from '../../src/open-store';
import { leftToNats } from '../../src/store/durability';
import { makeReplicaDir } from '../support/replica-dir';
import { startTestGateway, startUnsweptProcess } from '../support/gateway';
import { createModelStore } from '../support/model-store';
import { natsOptions } from '../support/nats-options';
import { connectRpc, type RpcClient } from '../support/rpc-client';
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

/** A sweep truncates what retention has hidden, with a control that the model does not have. */
const unswept = { sweepIntervalMs: 0 };

/** A busy machine needs longer than a caller would wait for its turn, which the contract says that an append has. */
const patient = { appendTimeoutMs: 30_000, ...unswept };

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
  const limits = { ...defaultLimits, ...patient, ...set };
  const replicaDir = makeReplicaDir();
  const store = await openStore({
    address: '',
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
  names: StoreNames = newStore(),
): Promise<OpenedContract> {
  const gateway = await startTestGateway([natsUrl], flagsOf(set, names), patient);
  return {
    ...rpcContract(gateway.client),
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** A gateway with two workers, over gRPC: the calls go to them in turns. */
export async function openOverWorkers(natsUrl: string, set: SetLimits = {}): Promise<OpenedContract> {
  const gateway = await startUnsweptProcess([natsUrl], ['--workers=2', ...flagsOf(set, newStore())], 0);
  const other = connectRpc(gateway.address);
  // Each is one connection, and a worker with fewer gets the next one.
  for (const client of [gateway.client, other]) await client.health();
  return {
    ...rpcContract(inTurns([gateway.client, other])),
    [Symbol.asyncDispose]: async () => {
      other[Symbol.dispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** Appends to one stream take one way, since only one connection keeps their order. */
function inTurns(clients: readonly RpcClient[]): RpcClient {
  let calls = 0;
  const at = (index: number): RpcClient => clients[index % clients.length] as RpcClient;
  const append: RpcClient['append'] = (request, options) =>
    at(Buffer.from(request.stream ?? '').reduce((sum, byte) => sum + byte, 0)).append(request, options);
  return new Proxy(at(0), {
    get: (_, name) => (name === 'append' ? append : (Reflect.get(at(calls++), name) as unknown)),
  });
}

function flagsOf(set: SetLimits, { name, prefix }: StoreNames): string[] {
  const flags = [`--store-name=${name}`, `--store-prefix=${prefix}`];
  if (set.eventBytesMax !== undefined) flags.push(`--event-bytes-max=${set.eventBytesMax}`);
  if (set.appendBytesMax !== undefined) flags.push(`--append-bytes-max=${set.appendBytesMax}`);
  return flags;
}
