import type { Limits } from '../limits';
import { isAppend } from './failure';
import type { RpcCounts } from './rpc-counts';

/** What the calls of one RPC have in common. */
export interface CallKind {
  readonly rpc: RpcCounts;
  /** Of one message. */
  readonly messageBytesMax: number;
  /** `one`: `taken` of its request will be called; `many`: `consumed`, for each message; `foreign`: one request, and neither is called. */
  readonly requests: 'one' | 'many' | 'foreign';
  /** Whether its caller may leave it open without a request. */
  readonly mayBeIdle: boolean;
}

const session = '/sluice.v1.EventStoreService/AppendSession';
const ours = /^\/sluice\.v1\./;

/** Returns a function that tells the kind of the calls to an RPC of the server. */
export function createKindOf(
  limits: Limits,
  rpcs: ReadonlyMap<string, RpcCounts>,
): (path: string, hasManyRequests: boolean) => CallKind {
  const known = new Map<string, CallKind>();
  return (path, hasManyRequests) => {
    let kind = known.get(path);
    if (kind === undefined) {
      const isOurs = ours.test(path);
      kind = {
        rpc: rpcs.get(path) as RpcCounts,
        messageBytesMax: isOurs && isAppend(path) ? limits.requestBytesMax : limits.queryBytesMax,
        requests: hasManyRequests ? 'many' : isOurs ? 'one' : 'foreign',
        mayBeIdle: path === session,
      };
      known.set(path, kind);
    }
    return kind;
  };
}
