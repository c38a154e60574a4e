package sluice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// Code identifies a kind of error; its meaning never changes. Most are the reasons of docs/errors.md.
type Code string

// The codes that have a meaning for a program. CodeUnavailable, CodeCancelled and CodeInternal are also those of calls that ended
// without a gateway; CodeIncompleteRead is a read that ended without an error, but not with all that was announced.
const (
	CodeInvalidRequest        Code = "INVALID_REQUEST"
	CodeVersionConflict       Code = "VERSION_CONFLICT"
	CodeAppendConditionFailed Code = "APPEND_CONDITION_FAILED"
	CodeConditionContended    Code = "CONDITION_CONTENDED"
	CodeCommitIDReuse         Code = "COMMIT_ID_REUSE"
	CodeStoreUnavailable      Code = "STORE_UNAVAILABLE"
	CodeReplicaFilling        Code = "REPLICA_FILLING"
	CodeUnavailable           Code = "UNAVAILABLE"
	CodeOutcomeUnknown        Code = "OUTCOME_UNKNOWN"
	CodeOverloaded            Code = "OVERLOADED"
	CodeQuotaExceeded         Code = "QUOTA_EXCEEDED"
	CodeStoreFull             Code = "STORE_FULL"
	CodeStoreRefused          Code = "STORE_REFUSED"
	CodeStoreMismatch         Code = "STORE_MISMATCH"
	CodeUnreadableCommit      Code = "UNREADABLE_COMMIT"
	CodeNotPermitted          Code = "NOT_PERMITTED"
	CodeUnauthenticated       Code = "UNAUTHENTICATED"
	CodeAccessDenied          Code = "ACCESS_DENIED"
	CodeDeadlineExceeded      Code = "DEADLINE_EXCEEDED"
	CodeCancelled             Code = "CANCELLED"
	CodeIncompleteRead        Code = "INCOMPLETE_READ"
	CodeStreamNotFound        Code = "STREAM_NOT_FOUND"
	CodeStreamTombstoned      Code = "STREAM_TOMBSTONED"
	CodeVersionBeyondEnd      Code = "VERSION_BEYOND_END"
	CodeEraseSplitsCommit     Code = "ERASE_SPLITS_COMMIT"
	CodeStoreImmutable        Code = "STORE_IMMUTABLE"
	CodeGroupNotFound         Code = "GROUP_NOT_FOUND"
	CodeGroupExists           Code = "GROUP_EXISTS"
	CodeGroupChanged          Code = "GROUP_CHANGED"
	CodeGroupHasMembers       Code = "GROUP_HAS_MEMBERS"
	CodeGroupAheadOfStore     Code = "GROUP_AHEAD_OF_STORE"
	CodeGroupUnreadable       Code = "GROUP_STATE_UNREADABLE"
	CodePositionBeyondEnd     Code = "POSITION_BEYOND_END"
	CodeMemberExists          Code = "MEMBER_EXISTS"
	CodeMemberStalled         Code = "MEMBER_STALLED"
	CodeDeliveryNotHeld       Code = "DELIVERY_NOT_HELD"
	CodeInternal              Code = "INTERNAL"
)

// CodeOf is the code of an error of a call; "" for any other error.
func CodeOf(err error) Code {
	var failed *CallError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// CallError is how a call failed. Each error of a call is one, or wraps one.
type CallError struct {
	Code Code
	// Message is for people, and may change.
	Message string
	// RequestID is the id by which the log of the gateway names the call; "": no gateway has ended it.
	RequestID string
	// RetryDelay is how long to wait before the next attempt; 0: the gateway has not said.
	RetryDelay time.Duration

	status *status.Status
	reason string
	facts  map[string]string
	cause  error
}

func (e *CallError) Error() string { return fmt.Sprintf("sluice: %s: %s", e.Code, e.Message) }

// Unwrap gives the error of the context that has ended the call, or what the call relied on.
func (e *CallError) Unwrap() error { return e.cause }

// GRPCStatus gives the status with all its details; package status uses it.
func (e *CallError) GRPCStatus() *status.Status { return e.status }

// ArgumentError is an argument that cannot be sent. No gateway has seen it.
type ArgumentError struct{ Message string }

func (e *ArgumentError) Error() string { return "sluice: " + e.Message }

func badArgument(format string, args ...any) error {
	return &ArgumentError{fmt.Sprintf(format, args...)}
}

// VersionConflictError says that a stream is not as expected. Nothing was stored: read, decide and append again.
type VersionConflictError struct {
	*CallError
	// Stream, Expected and Actual are those of the first conflict. Expected has no meaning if MustExist is true.
	Stream           string
	Expected, Actual uint64
	MustExist        bool
	// Conflicts has all conflicts of a transaction, as far as they fit into a status.
	Conflicts []*sluicev1.VersionConflict
}

// Unwrap gives the CallError.
func (e *VersionConflictError) Unwrap() error { return e.CallError }

// AppendConditionFailedError says that an event was stored that the query of the condition selects. Nothing was stored: read, decide and
// append again.
type AppendConditionFailedError struct {
	*CallError
	// Item is the item of the query that selects the event, from 0.
	Item     uint32
	Position uint64
	EventID  string
}

// Unwrap gives the CallError.
func (e *AppendConditionFailedError) Unwrap() error { return e.CallError }

// CommitIDReuseError says that the commit id belongs to another commit. Nothing was stored.
type CommitIDReuseError struct {
	*CallError
	CommitID string
	// Stream and Position are those of the other commit; "" and 0: the caller may not read it.
	Stream   string
	Position uint64
}

// Unwrap gives the CallError.
func (e *CommitIDReuseError) Unwrap() error { return e.CallError }

// OutcomeUnknownError says that the commit may or may not be stored. To find out, append the same again, with this commit id and the
// same expected version.
type OutcomeUnknownError struct {
	*CallError
	Stream, CommitID string
}

// Unwrap gives the CallError.
func (e *OutcomeUnknownError) Unwrap() error { return e.CallError }

// InvalidRequestError says that the request can never succeed as it is. Nothing was stored.
type InvalidRequestError struct {
	*CallError
	// Violations has every field at fault, with the limit and what was found.
	Violations []*errdetails.BadRequest_FieldViolation
}

// Unwrap gives the CallError.
func (e *InvalidRequestError) Unwrap() error { return e.CallError }

// StoreMismatchError says that the gateway serves another store than the one that the positions belong to.
type StoreMismatchError struct {
	*CallError
	Expected, Actual string
}

// Unwrap gives the CallError.
func (e *StoreMismatchError) Unwrap() error { return e.CallError }

// UnreadableCommitError says that a stored message is not a commit. Other streams are not affected.
type UnreadableCommitError struct {
	*CallError
	Stream   string
	Position uint64
}

// Unwrap gives the CallError.
func (e *UnreadableCommitError) Unwrap() error { return e.CallError }

// UnauthenticatedError says that the gateway does not accept who calls.
type UnauthenticatedError struct {
	*CallError
	// Reason is "missing", "expired" or "invalid". If the token function failed, it is "missing", and the error of the function is wrapped.
	Reason  string
	noToken bool
}

// Unwrap gives the CallError.
func (e *UnauthenticatedError) Unwrap() error { return e.CallError }

// AccessDeniedError says that the caller may not do this.
type AccessDeniedError struct {
	*CallError
	// Action is what is not granted, such as "append"; Subject is the stream, pattern or group as it was sent, "" for the store as a whole.
	Action, Subject string
}

// Unwrap gives the CallError.
func (e *AccessDeniedError) Unwrap() error { return e.CallError }

// QuotaExceededError says that the caller uses as much as it may.
type QuotaExceededError struct {
	*CallError
	// Limit is its name in the auth file, such as "appends_per_s".
	Limit string
}

// Unwrap gives the CallError.
func (e *QuotaExceededError) Unwrap() error { return e.CallError }

// StreamError says that a stream cannot be used like this: CodeStreamNotFound, CodeStreamTombstoned, CodeVersionBeyondEnd,
// CodeEraseSplitsCommit or CodeStoreImmutable. Nothing was stored.
type StreamError struct {
	*CallError
	Stream string // "" with CodeStoreImmutable
	// FromVersion and ToVersion are, with CodeEraseSplitsCommit, the smallest range around that of the call that covers whole commits.
	FromVersion, ToVersion uint64
}

// Unwrap gives the CallError.
func (e *StreamError) Unwrap() error { return e.CallError }

// commitRef is the commit that a call asks for.
type commitRef struct{ stream, id string }

const (
	errorDomain = "sluice.v1"
	// defaultRetryDelay is about the time that a gateway needs to start.
	defaultRetryDelay = time.Second
)

// streamCodes and plainCodes are reasons that are codes.
var (
	streamCodes = []Code{CodeStreamNotFound, CodeStreamTombstoned, CodeVersionBeyondEnd, CodeEraseSplitsCommit, CodeStoreImmutable}
	plainCodes  = []Code{CodeStoreUnavailable, CodeReplicaFilling, CodeConditionContended, CodeStoreFull, CodeStoreRefused, CodeGroupNotFound, CodeGroupExists,
		CodeGroupChanged, CodeGroupHasMembers, CodeGroupAheadOfStore, CodeGroupUnreadable, CodePositionBeyondEnd, CodeMemberExists,
		CodeMemberStalled, CodeDeliveryNotHeld}
	byStatus = map[codes.Code]Code{codes.Unavailable: CodeUnavailable, codes.PermissionDenied: CodeNotPermitted,
		codes.DeadlineExceeded: CodeDeadlineExceeded, codes.Canceled: CodeCancelled}
	// refusals are statuses with which a server or a proxy refuses a call before it passes it on.
	refusals = []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented}
	// afterResults are reasons with which a gateway ends a session only when all that it has begun has its result.
	afterResults = []string{"STORE_UNAVAILABLE", "OVERLOADED", "QUOTA_EXCEEDED", "INVALID_REQUEST", "UNAUTHENTICATED", "ACCESS_DENIED"}
)

// newFailure reads a status. Its code is that of the status alone.
func newFailure(st *status.Status, cause error) *CallError {
	e := &CallError{Code: CodeInternal, Message: st.Message(), status: st, cause: cause}
	if code, ok := byStatus[st.Code()]; ok {
		e.Code = code
	}
	if info := detailOf[*errdetails.ErrorInfo](st); info.GetDomain() == errorDomain {
		e.reason, e.facts = info.Reason, info.Metadata
		e.RequestID = detailOf[*errdetails.RequestInfo](st).GetRequestId()
	}
	e.RetryDelay = detailOf[*errdetails.RetryInfo](st).GetRetryDelay().AsDuration()
	return e
}

// failureOf reads the error of a call of grpc. What has ended the context is its cause.
func failureOf(ctx context.Context, err error) *CallError {
	st, _ := status.FromError(err)
	var cause error
	switch st.Code() {
	case codes.Canceled:
		cause = context.Cause(ctx)
	case codes.DeadlineExceeded:
		if end, has := ctx.Deadline(); has && !time.Now().Before(end) {
			cause = context.DeadlineExceeded
		}
	}
	return newFailure(st, cause)
}

// inDoubt says whether the commit of a call that was sent may be stored.
func (e *CallError) inDoubt() bool {
	return (e.reason == "" || e.reason == "INTERNAL") && !slices.Contains(refusals, e.status.Code())
}

// asError gives the error of a call, by its reason or else by its status. commit is what it asked to store; nil: nothing, or it was
// not sent.
func (e *CallError) asError(commit *commitRef) error {
	if commit != nil && e.inDoubt() {
		return e.unknown(commit)
	}
	if err := e.byReason(); err != nil {
		return err
	}
	switch e.status.Code() {
	case codes.InvalidArgument:
		return e.invalid(detailOf[*errdetails.BadRequest](e.status).GetFieldViolations())
	case codes.Unavailable:
		e.RetryDelay = e.delay()
	case codes.ResourceExhausted:
		if detailOf[*errdetails.RetryInfo](e.status) == nil { // an overload says when to try again
			return e.invalid([]*errdetails.BadRequest_FieldViolation{{Field: "request", Description: e.Message}})
		}
		e.Code = CodeOverloaded
	case codes.Unauthenticated:
		e.Code = CodeUnauthenticated
		reason := e.facts["cause"]
		if reason != "missing" && reason != "expired" {
			reason = "invalid" // a proxy does not say why
		}
		return &UnauthenticatedError{CallError: e, Reason: reason}
	}
	return e
}

// byReason gives nil if the details that belong to the reason are missing.
func (e *CallError) byReason() error {
	st, code := e.status, Code(e.reason)
	switch {
	case code == CodeVersionConflict:
		if found := detailOf[*sluicev1.VersionConflict](st); found != nil {
			e.Code = code
			all := detailOf[*sluicev1.VersionConflicts](st).GetConflicts()
			if all == nil {
				all = []*sluicev1.VersionConflict{found}
			}
			return &VersionConflictError{e, found.Stream, found.GetExpectedVersion(), found.ActualVersion, found.MustExist, all}
		}
	case code == CodeAppendConditionFailed:
		if found := detailOf[*sluicev1.AppendConditionFailed](st); found != nil {
			e.Code = code
			return &AppendConditionFailedError{e, found.Item, found.Position, found.EventId}
		}
	case code == CodeCommitIDReuse:
		if found := detailOf[*sluicev1.CommitIdReuse](st); found != nil {
			e.Code = code
			return &CommitIDReuseError{e, found.CommitId, found.Stream, found.Position}
		}
	case code == CodeOutcomeUnknown:
		if found := detailOf[*sluicev1.OutcomeUnknown](st); found != nil {
			e.Code = code
			return &OutcomeUnknownError{e, found.Stream, found.CommitId}
		}
	case code == CodeUnreadableCommit:
		if found := detailOf[*sluicev1.UnreadableCommit](st); found != nil {
			e.Code = code
			return &UnreadableCommitError{e, found.Stream, found.Position}
		}
	case code == CodeStoreMismatch:
		if found := detailOf[*sluicev1.StoreMismatch](st); found != nil {
			e.Code = code
			return &StoreMismatchError{e, found.ExpectedStoreId, found.ActualStoreId}
		}
	case code == CodeAccessDenied:
		e.Code = code
		for _, name := range []string{"stream", "pattern", "group"} {
			if subject, ok := e.facts[name]; ok {
				return &AccessDeniedError{e, e.facts["action"], subject}
			}
		}
		return &AccessDeniedError{e, e.facts["action"], ""}
	case code == CodeQuotaExceeded:
		e.Code, e.RetryDelay = code, e.delay()
		return &QuotaExceededError{e, e.facts["limit"]}
	case slices.Contains(streamCodes, code):
		e.Code = code
		from, _ := strconv.ParseUint(e.facts["from_version"], 10, 64)
		to, _ := strconv.ParseUint(e.facts["to_version"], 10, 64)
		return &StreamError{e, e.facts["stream"], from, to}
	case slices.Contains(plainCodes, code):
		e.Code = code
		if st.Code() == codes.Unavailable {
			e.RetryDelay = e.delay()
		}
		return e
	}
	return nil
}

func (e *CallError) invalid(violations []*errdetails.BadRequest_FieldViolation) error {
	e.Code = CodeInvalidRequest
	return &InvalidRequestError{e, violations}
}

func (e *CallError) unknown(commit *commitRef) error {
	e.Code = CodeOutcomeUnknown
	e.Message = fmt.Sprintf("the response to commit %s on stream %s was lost (%s); append again with the same commit id to find out",
		commit.id, strconv.Quote(commit.stream), e.Message)
	return &OutcomeUnknownError{e, commit.stream, commit.id}
}

func (e *CallError) delay() time.Duration {
	if e.RetryDelay == 0 && detailOf[*errdetails.RetryInfo](e.status) == nil {
		return defaultRetryDelay
	}
	return e.RetryDelay
}

// localError is one that no gateway has sent.
func localError(code Code, status_ codes.Code, message string, cause error) *CallError {
	return &CallError{Code: code, Message: message, status: status.New(status_, message), cause: cause}
}

// detailOf gives the first detail of this type, or nil.
func detailOf[T proto.Message](st *status.Status) (found T) {
	var none T
	name := none.ProtoReflect().Descriptor().FullName()
	for _, detail := range st.Proto().GetDetails() {
		if detail.MessageName() != name {
			continue
		}
		message := none.ProtoReflect().New().Interface()
		if proto.Unmarshal(detail.Value, message) == nil {
			return message.(T)
		}
	}
	return none
}
