import type { Metadata, ServiceError } from '@grpc/grpc-js';
import {
  BadRequest,
  ErrorInfo,
  PreconditionFailure,
  QuotaFailure,
  RetryInfo,
} from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  AppendConditionFailed,
  CommitIdReuse,
  OutcomeUnknown,
  StoreMismatch,
  UnreadableCommit,
  VersionConflict,
  VersionConflicts,
} from '../../generated/sluice/v1/errors';

const detailMessages = {
  'google.rpc.ErrorInfo': ErrorInfo,
  'google.rpc.BadRequest': BadRequest,
  'google.rpc.QuotaFailure': QuotaFailure,
  'google.rpc.RetryInfo': RetryInfo,
  'google.rpc.PreconditionFailure': PreconditionFailure,
  'sluice.v1.VersionConflict': VersionConflict,
  'sluice.v1.VersionConflicts': VersionConflicts,
  'sluice.v1.AppendConditionFailed': AppendConditionFailed,
  'sluice.v1.CommitIdReuse': CommitIdReuse,
  'sluice.v1.StoreMismatch': StoreMismatch,
  'sluice.v1.OutcomeUnknown': OutcomeUnknown,
  'sluice.v1.UnreadableCommit': UnreadableCommit,
};
type DetailName = keyof typeof detailMessages;
type Detail<Name extends DetailName> = ReturnType<(typeof detailMessages)[Name]['decode']>;

/** A call that ended with another status than OK. */
export class RpcFailure extends Error {
  /** The number of the gRPC status. */
  readonly code: number;
  private readonly details = new Map<string, Buffer>();

  constructor(error: ServiceError) {
    super(error.message, { cause: error });
    this.code = error.code;
    const [encoded] = (error.metadata as Metadata | undefined)?.get('grpc-status-details-bin') ?? [];
    if (encoded === undefined) return;
    for (const { typeUrl, value } of Status.decode(encoded as Buffer).details) {
      this.details.set(typeUrl.replace('type.googleapis.com/', ''), value);
    }
  }

  detail<Name extends DetailName>(name: Name): Detail<Name> | undefined {
    const value = this.details.get(name);
    return value === undefined ? undefined : (detailMessages[name].decode(value) as Detail<Name>);
  }

  get reason(): string | undefined {
    return this.detail('google.rpc.ErrorInfo')?.reason;
  }
}

/** How a call fails; fails itself if the call does not end with a status other than OK. */
export async function failureOf(call: Promise<unknown>): Promise<RpcFailure> {
  const outcome: unknown = await call.then(
    () => new Error('the call ended with OK'),
    (error: unknown) => error,
  );
  if (outcome instanceof RpcFailure) return outcome;
  throw outcome;
}
