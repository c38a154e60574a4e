"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.RpcFailure = void 0;
exports.failureOf = failureOf;
const error_details_1 = require("../../generated/google/rpc/error_details");
const status_1 = require("../../generated/google/rpc/status");
const errors_1 = require("../../generated/sluice/v1/errors");
const detailMessages = {
    'google.rpc.ErrorInfo': error_details_1.ErrorInfo,
    'google.rpc.BadRequest': error_details_1.BadRequest,
    'google.rpc.RetryInfo': error_details_1.RetryInfo,
    'google.rpc.PreconditionFailure': error_details_1.PreconditionFailure,
    'sluice.v1.VersionConflict': errors_1.VersionConflict,
    'sluice.v1.CommitIdReuse': errors_1.CommitIdReuse,
    'sluice.v1.OutcomeUnknown': errors_1.OutcomeUnknown,
    'sluice.v1.UnreadableCommit': errors_1.UnreadableCommit,
};
/** A call that ended with another status than OK. */
class RpcFailure extends Error {
    /** The number of the gRPC status. */
    code;
    details = new Map();
    constructor(error) {
        super(error.message, { cause: error });
        this.code = error.code;
        const [encoded] = error.metadata?.get('grpc-status-details-bin') ?? [];
        if (encoded === undefined)
            return;
        for (const { typeUrl, value } of status_1.Status.decode(encoded).details) {
            this.details.set(typeUrl.replace('type.googleapis.com/', ''), value);
        }
    }
    detail(name) {
        const value = this.details.get(name);
        return value === undefined ? undefined : detailMessages[name].decode(value);
    }
    get reason() {
        return this.detail('google.rpc.ErrorInfo')?.reason;
    }
}
exports.RpcFailure = RpcFailure;
/** How a call fails; fails itself if the call does not end with a status other than OK. */
async function failureOf(call) {
    const outcome = await call.then(() => new Error('the call ended with OK'), (error) => error);
    if (outcome instanceof RpcFailure)
        return outcome;
    throw outcome;
}
