package main

import (
	"context"
	"errors"
	"fmt"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
)

// errorOf tells an error as a user of the client finds it: by errors.As and errors.Is.
func errorOf(err error) object {
	var bug *driverError
	var argument *sluice.ArgumentError
	var failed *sluice.CallError
	switch {
	case errors.As(err, &bug):
		return object{"code": "DRIVER", "message": err.Error(), "name": "driverError"}
	case errors.As(err, &argument):
		return object{"code": "ARGUMENT", "message": err.Error(), "name": "ArgumentError"}
	case errors.Is(err, context.Canceled):
		return object{"code": "ABORTED", "message": err.Error(), "name": fmt.Sprintf("%T", err)}
	case !errors.As(err, &failed):
		return object{"code": "DRIVER", "message": err.Error(), "name": fmt.Sprintf("%T", err)}
	}
	said := object{"code": failed.Code, "message": failed.Message, "name": fmt.Sprintf("%T", err), "status": int(failed.GRPCStatus().Code())}
	if failed.RequestID != "" {
		said["requestId"] = failed.RequestID
	}
	if code := failed.Code; code == sluice.CodeStoreUnavailable || code == sluice.CodeReplicaFilling || code == sluice.CodeUnavailable ||
		code == sluice.CodeOverloaded || code == sluice.CodeQuotaExceeded || code == sluice.CodeConditionContended {
		said["retryDelayMs"] = failed.RetryDelay.Milliseconds()
	}
	var conflict *sluice.VersionConflictError
	if errors.As(err, &conflict) {
		said["stream"], said["expected"], said["actual"] = conflict.Stream, expected(conflict.Expected, conflict.MustExist), text(conflict.Actual)
		conflicts := []object{}
		for _, one := range conflict.Conflicts {
			conflicts = append(conflicts, object{"stream": one.Stream, "expected": expected(one.GetExpectedVersion(), one.MustExist),
				"actual": text(one.ActualVersion)})
		}
		said["conflicts"] = conflicts
	}
	var outdated *sluice.AppendConditionFailedError
	if errors.As(err, &outdated) {
		said["item"], said["position"], said["eventId"] = outdated.Item, text(outdated.Position), outdated.EventID
	}
	var cause *sluice.CallError
	if errors.As(errors.Unwrap(failed), &cause) {
		said["cause"] = errorOf(errors.Unwrap(failed))
	}
	var reuse *sluice.CommitIDReuseError
	if errors.As(err, &reuse) {
		said["commitId"], said["stream"], said["position"] = reuse.CommitID, reuse.Stream, text(reuse.Position)
	}
	var unknown *sluice.OutcomeUnknownError
	if errors.As(err, &unknown) {
		said["stream"], said["commitId"] = unknown.Stream, unknown.CommitID
	}
	var quota *sluice.QuotaExceededError
	if errors.As(err, &quota) {
		said["limit"] = quota.Limit
	}
	var invalid *sluice.InvalidRequestError
	if errors.As(err, &invalid) {
		violations := []object{}
		for _, one := range invalid.Violations {
			violations = append(violations, object{"field": one.Field, "description": one.Description})
		}
		said["violations"] = violations
	}
	var mismatch *sluice.StoreMismatchError
	if errors.As(err, &mismatch) {
		said["expected"], said["actual"] = mismatch.Expected, mismatch.Actual
	}
	var unreadable *sluice.UnreadableCommitError
	if errors.As(err, &unreadable) {
		said["stream"], said["position"] = unreadable.Stream, text(unreadable.Position)
	}
	var refused *sluice.UnauthenticatedError
	if errors.As(err, &refused) {
		said["reason"] = refused.Reason
	}
	var denied *sluice.AccessDeniedError
	if errors.As(err, &denied) {
		said["action"], said["subject"] = denied.Action, denied.Subject
	}
	var stream *sluice.StreamError
	if errors.As(err, &stream) {
		said["stream"] = stream.Stream
	}
	if errors.As(err, &stream) && stream.Code == sluice.CodeEraseSplitsCommit {
		said["wholeCommits"] = object{"fromVersion": text(stream.FromVersion), "toVersion": text(stream.ToVersion)}
	}
	return said
}

func expected(version uint64, mustExist bool) string {
	if mustExist {
		return "exists"
	}
	return text(version)
}
