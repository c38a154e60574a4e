import type { UntypedHandleCall } from '@grpc/grpc-js';
import {
  DeleteStreamRequest,
  DeleteStreamResponse,
  EraseEventsRequest,
  EraseEventsResponse,
  GetStreamRequest,
  GetStreamResponse,
  SetRetentionRequest,
  SetRetentionResponse,
  TombstoneStreamRequest,
  TombstoneStreamResponse,
  TruncateStreamRequest,
  TruncateStreamResponse,
  type Retention as ProtoRetention,
  type StreamDescription as ProtoDescription,
  type StreamServiceService,
} from '../../generated/sluice/v1/stream_service';
import type { Limits } from '../limits';
import {
  parseDeleteStream,
  parseEraseEvents,
  parseGetStream,
  parseSetRetention,
  parseTombstoneStream,
  parseTruncateStream,
} from '../requests/control-stream';
import type { ControlCommand, ControlResult } from '../store/control-command';
import type { StreamDescription, StreamRules } from '../store/stream-rules';
import { auditFull, type CallAudit } from './call-audit';
import type { Caller } from './call-scope';
import type { Calls } from './calls';
import type { Entered } from './enter-call';
import type { PermittedStore } from './permit';
import { permitStream } from './permit-stream';
import type { Permitted } from './permitted';
import { toTimestamp } from './proto-time';
import { toStreamState } from './stream-heads';

export interface StreamServiceOptions {
  readonly store: Pick<PermittedStore, 'control' | 'getStream'>;
  readonly audit: CallAudit;
  readonly calls: Calls;
  readonly limits: Limits;
}

/** The compiler wants a handler for each RPC of the contract. */
type Handlers = Readonly<Record<keyof typeof StreamServiceService, Entered<UntypedHandleCall>>>;

/** sluice.v1.StreamService: each method parses its request, calls the store and encodes the result. */
export function createStreamService({ store, audit, calls, limits }: StreamServiceOptions): Handlers {
  const { lookup } = calls;
  const control = async (command: Permitted<ControlCommand>, caller: Caller): Promise<Controlled> =>
    toControlled(await recorded(audit, command, caller, () => store.control(command, caller)));
  return {
    getStream: lookup(GetStreamRequest, GetStreamResponse, async (request, caller) => {
      const stream = permitStream.getStream(parseGetStream(request), caller);
      return { stream: toDescription(await store.getStream(stream, caller)) };
    }),

    truncateStream: lookup(TruncateStreamRequest, TruncateStreamResponse, (request, caller) =>
      control(permitStream.truncateStream(parseTruncateStream(request), caller), caller),
    ),

    setRetention: lookup(SetRetentionRequest, SetRetentionResponse, (request, caller) =>
      control(permitStream.setRetention(parseSetRetention(request), caller), caller),
    ),

    deleteStream: lookup(DeleteStreamRequest, DeleteStreamResponse, (request, caller) =>
      control(permitStream.deleteStream(parseDeleteStream(request), caller), caller),
    ),

    tombstoneStream: lookup(TombstoneStreamRequest, TombstoneStreamResponse, (request, caller) =>
      control(permitStream.tombstoneStream(parseTombstoneStream(request), caller), caller),
    ),

    eraseEvents: lookup(EraseEventsRequest, EraseEventsResponse, (request, caller) =>
      control(permitStream.eraseEvents(parseEraseEvents(request, limits), caller), caller),
    ),
  };
}

/** Carries out a control, and records it in the audit log. Throws OverloadedError if that takes no more. */
async function recorded(
  audit: CallAudit,
  { stream }: ControlCommand,
  caller: Caller,
  control: () => Promise<ControlResult>,
): Promise<ControlResult> {
  if (!audit.hasWrites) return control();
  const entry = { action: 'manage' as const, streams: [stream] };
  const reserved = audit.reserve(entry.streams);
  if (reserved === undefined) throw auditFull();
  try {
    const result = await control();
    audit.appended(caller, entry, result, reserved);
    return result;
  } catch (error) {
    audit.appended(caller, entry, { error }, reserved);
    throw error;
  }
}

/** What the responses to all controls have. */
type Controlled = DeleteStreamResponse;

function toControlled({ stream, changed, replayed, commitId }: ControlResult): Controlled {
  return { stream: toDescription(stream), changed, replayed, commitId: commitId ?? '' };
}

function toDescription({ rules, ...description }: StreamDescription): ProtoDescription {
  return {
    ...description,
    state: toStreamState(description.state),
    commitTime: toTimestamp(description.commitTime),
    truncatedBefore: rules.firstVersion,
    retention: toRetention(rules),
    erased: description.erased.map(({ commitTime, ...range }) => ({
      ...range,
      commitTime: toTimestamp(commitTime),
    })),
  };
}

/** undefined: no bounds. */
function toRetention({ maxCount, maxAgeNanos }: StreamRules): ProtoRetention | undefined {
  if (maxCount === undefined && maxAgeNanos === undefined) return undefined;
  return { maxCount: maxCount ?? 0n, maxAge: toTimestamp(maxAgeNanos) };
}
