import type { Limits } from '../limits';
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
  /** Whether it stores something. */
  readonly isAppend: boolean;
  /** Whether it stays open as long as its caller likes, so that it is never slow. */
  readonly isOpenEnded: boolean;
}

const ours = 'sluice.v1.';
const appends = ['Append', 'AppendMulti', 'AppendSession'];
const openEnded = ['AppendSession', 'Subscribe', 'Consume', 'Watch', 'ServerReflectionInfo'];

function isAppendTo(service: string, method: string): boolean {
  return service.startsWith(ours) && appends.includes(method);
}

/** Bytes of one message of a call to the RPC at a path. */
export function messageBytesMaxOf(path: string, limits: Limits): number {
  const [, service = '', method = ''] = path.split('/');
  return isAppendTo(service, method) ? limits.requestBytesMax : limits.queryBytesMax;
}

/** Returns a function that tells the kind of the calls to an RPC of the server. */
export function createKindOf(
  limits: Limits,
  rpcs: ReadonlyMap<string, RpcCounts>,
): (path: string, hasManyRequests: boolean) => CallKind {
  const known = new Map<string, CallKind>();
  return (path, hasManyRequests) => {
    let kind = known.get(path);
    if (kind === undefined) {
      const rpc = rpcs.get(path) as RpcCounts;
      const isOurs = rpc.service.startsWith(ours);
      const isAppend = isAppendTo(rpc.service, rpc.method);
      kind = {
        rpc,
        messageBytesMax: messageBytesMaxOf(path, limits),
        requests: hasManyRequests ? 'many' : isOurs ? 'one' : 'foreign',
        mayBeIdle: isAppend && hasManyRequests,
        isAppend,
        isOpenEnded: openEnded.includes(rpc.method),
      };
      known.set(path, kind);
    }
    return kind;
  };
}
