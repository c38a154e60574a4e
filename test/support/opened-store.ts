import pino from 'pino';
import type { DeepPartial } from '../../generated/sluice/v1/event';
import { AppendMultiRequest, AppendRequest } from '../../generated/sluice/v1/event_store_service';
import { defaultLimits, type Limits } from '../../src/limits';
import { openStore, type OpenedStore } from '../../src/open-store';
import { parseAppend } from '../../src/requests/append';
import { parseAppendMulti } from '../../src/requests/append-multi';
import { leftToNats } from '../../src/store/durability';
import type { AppendCommand, AppendMultiCommand, CallContext } from '../../src/store/event-store';
import type { ControlCommand } from '../../src/store/control-command';
import type { StreamControl } from '../../src/store/stream-rules';
import type { StreamName, Version } from '../../src/store/values';
import { newEvents, type Append } from './attempts';
import { natsOptions } from './nats-options';
import { patience } from './patience';
import { makeReplicaDir } from './replica-dir';

/** What a gateway opens, without the gateway: the commands of a store are given to it as the parsers make them. */

export interface OpenedTestStore extends AsyncDisposable {
  readonly store: OpenedStore;
  readonly replicaDir: string;
}

export interface OpenedTestStoreOptions {
  readonly limits?: Partial<Limits>;
  readonly replicaDir?: string;
  readonly replicas?: number;
  readonly login?: { readonly user: string; readonly password: string };
}

export async function openTestStore(
  natsUrl: string | readonly string[],
  { limits, replicaDir = makeReplicaDir(), replicas = 1, login }: OpenedTestStoreOptions = {},
): Promise<OpenedTestStore> {
  const store = await openStore({
    address: '',
    nats: natsOptions(natsUrl, login),
    store: { name: 'EVENTS', prefix: 'es', replicas },
    mayCreate: true,
    limits: { ...defaultLimits, ...limits },
    durability: leftToNats,
    log: pino({ level: 'silent' }),
    replicaDir,
  });
  return { store, replicaDir, [Symbol.asyncDispose]: () => store.close() };
}

export const callFor = (ms = 30_000 * patience): CallContext => ({
  signal: new AbortController().signal,
  deadlineMs: performance.now() + ms,
});

export function appendTo(
  stream: string,
  request: Partial<Omit<Append, 'stream'>> & Pick<DeepPartial<AppendRequest>, 'condition'> = {},
): AppendCommand {
  return parseAppend(AppendRequest.fromPartial({ events: newEvents(1), ...request, stream }), defaultLimits);
}

/** One event to each stream. */
export function appendToAll(
  streams: readonly string[],
  checks: readonly { readonly stream: string; readonly expectedVersion: bigint }[] = [],
  commitId = '',
): AppendMultiCommand {
  const appends = streams.map((stream) => ({ stream, events: newEvents(1) }));
  return parseAppendMulti(
    AppendMultiRequest.fromPartial({ appends, checks: [...checks], commitId }),
    defaultLimits,
  );
}

export function controlOf(
  stream: string,
  control: StreamControl,
  given: { readonly expected?: bigint; readonly commitId?: string } = {},
): ControlCommand {
  return {
    stream: stream as StreamName,
    control,
    expected: given.expected as Version | undefined,
    commitId: given.commitId as ControlCommand['commitId'],
  };
}

export const truncateBefore = (before: bigint): StreamControl => ({
  kind: 'truncate',
  before: before as Version,
});
