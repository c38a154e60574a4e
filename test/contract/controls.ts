import type { DeepPartial } from '../../generated/sluice/v1/event';
import { StreamState } from '../../generated/sluice/v1/event_store_service';
import {
  DeleteStreamRequest,
  EraseEventsRequest,
  SetRetentionRequest,
  TombstoneStreamRequest,
  TruncateStreamRequest,
  type StreamDescription as ProtoDescription,
} from '../../generated/sluice/v1/stream_service';
import type { Limits } from '../../src/limits';
import {
  parseDeleteStream,
  parseEraseEvents,
  parseGetStream,
  parseSetRetention,
  parseTombstoneStream,
  parseTruncateStream,
} from '../../src/requests/control-stream';
import type { CallContext, EventStore, Lifecycle } from '../../src/store/event-store';
import type { ControlCommand, ControlResult } from '../../src/store/control-command';
import type { StreamDescription } from '../../src/store/stream-rules';
import type { RpcClient } from '../support/rpc-client';

/** The lifecycle of streams as the contract suite sees it. Fails with Problem. */
export interface Controls {
  truncate(request: DeepPartial<TruncateStreamRequest>): Promise<Controlled>;
  retain(request: DeepPartial<SetRetentionRequest>): Promise<Controlled>;
  remove(request: DeepPartial<DeleteStreamRequest>): Promise<Controlled>;
  tombstone(request: DeepPartial<TombstoneStreamRequest>): Promise<Controlled>;
  erase(request: DeepPartial<EraseEventsRequest>): Promise<Controlled>;
  describe(stream: string): Promise<Described>;
}

export interface Controlled {
  readonly stream: Described;
  readonly changed: boolean;
  readonly replayed: boolean;
  readonly commitId: string;
}

/** Times are nanoseconds since 1970, ages nanoseconds. */
export interface Described {
  readonly stream: string;
  readonly state: Lifecycle['state'];
  readonly version: bigint;
  readonly firstVersion: bigint;
  readonly position: bigint;
  readonly commitTime: bigint;
  readonly truncatedBefore: bigint;
  readonly maxCount: bigint | undefined;
  readonly maxAge: bigint | undefined;
  readonly controlPosition: bigint;
  readonly erased: readonly Erased[];
}

/** The record of an erasure. */
export interface Erased {
  readonly fromVersion: bigint;
  readonly toVersion: bigint;
  readonly reason: string;
  readonly principal: string;
  readonly commitTime: bigint;
  readonly position: bigint;
}

type Run = <T>(work: () => Promise<T>) => Promise<T>;

/** How the suite reaches a store directly. */
export interface Direct {
  readonly call: () => CallContext;
  readonly run: Run;
  readonly limits: Limits;
}

export function directControls(store: EventStore, { call, run, limits }: Direct): Controls {
  const control = async (command: ControlCommand): Promise<Controlled> =>
    controlled(await store.control(command, call()));
  return {
    truncate: (request) =>
      run(() => control(parseTruncateStream(TruncateStreamRequest.fromPartial(request)))),
    retain: (request) => run(() => control(parseSetRetention(SetRetentionRequest.fromPartial(request)))),
    remove: (request) => run(() => control(parseDeleteStream(DeleteStreamRequest.fromPartial(request)))),
    tombstone: (request) =>
      run(() => control(parseTombstoneStream(TombstoneStreamRequest.fromPartial(request)))),
    erase: (request) => run(() => control(parseEraseEvents(EraseEventsRequest.fromPartial(request), limits))),
    describe: (stream) =>
      run(async () => described(await store.getStream(parseGetStream({ stream }), call()))),
  };
}

function controlled({ stream, position, changed, replayed, commitId }: ControlResult): Controlled {
  if (stream.position < position) throw new Error('the stream ends before its control');
  return { stream: described(stream), changed, replayed, commitId: commitId ?? '' };
}

function described({ rules, ...stream }: StreamDescription): Described {
  const { firstVersion: truncatedBefore, maxCount, maxAgeNanos: maxAge } = rules;
  return { ...stream, truncatedBefore, maxCount, maxAge };
}

export function rpcControls(client: RpcClient, run: Run): Controls {
  return {
    truncate: (request) => run(async () => rpcControlled(await client.streams.truncate(request))),
    retain: (request) => run(async () => rpcControlled(await client.streams.setRetention(request))),
    remove: (request) => run(async () => rpcControlled(await client.streams.delete(request))),
    tombstone: (request) => run(async () => rpcControlled(await client.streams.tombstone(request))),
    erase: (request) => run(async () => rpcControlled(await client.streams.erase(request))),
    describe: (stream) => run(async () => rpcDescribed((await client.streams.get({ stream })).stream)),
  };
}

type RpcControlled = Awaited<ReturnType<RpcClient['streams']['delete']>>;

function rpcControlled({ stream, ...result }: RpcControlled): Controlled {
  return { ...result, stream: rpcDescribed(stream) };
}

function rpcDescribed(description: ProtoDescription | undefined): Described {
  const { commitTime, retention, erased, ...stream } = description as ProtoDescription;
  if (commitTime === undefined) throw new Error('a stream that exists has the time of a commit');
  const { maxCount = 0n, maxAge } = retention ?? {};
  return {
    ...stream,
    state: stateOf(stream.state),
    commitTime: nanosOf(commitTime),
    erased: erased.map((range) => ({ ...range, commitTime: nanosOf(range.commitTime ?? noTime) })),
    maxCount: maxCount === 0n ? undefined : maxCount,
    maxAge: maxAge && nanosOf(maxAge),
  };
}

/** Every gateway sends the time of an erasure. */
const noTime = { seconds: 0n, nanos: 0 };

function nanosOf({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): bigint {
  return seconds * 1_000_000_000n + BigInt(nanos);
}

function stateOf(state: StreamState): Lifecycle['state'] {
  if (state === StreamState.ACTIVE) return 'active';
  if (state === StreamState.DELETED) return 'deleted';
  if (state === StreamState.TOMBSTONED) return 'tombstoned';
  throw new Error(`no state of a stream that exists: ${state}`);
}

/** As the contract suite compares it: undefined if the stream does not exist, or all of it can be read. */
export function lifecycleOf(version: bigint, lifecycle: Lifecycle | undefined): Lifecycle | undefined {
  const isWhole = lifecycle?.state === 'active' && lifecycle.firstVersion === 1n;
  return version === 0n || isWhole ? undefined : lifecycle;
}

/** The same of an answer over gRPC. */
export function rpcLifecycleOf(head: {
  readonly version: bigint;
  readonly firstVersion: bigint;
  readonly state: StreamState;
}): Lifecycle | undefined {
  const { version, firstVersion, state } = head;
  if (version > 0n) return lifecycleOf(version, { state: stateOf(state), firstVersion } as Lifecycle);
  if (firstVersion !== 0n || state !== StreamState.UNSPECIFIED)
    throw new Error('what does not exist has no state');
  return undefined;
}
