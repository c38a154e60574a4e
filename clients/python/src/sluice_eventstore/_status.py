"""The error of a call that failed, by the rules of docs/errors.md."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from . import errors
from .v1 import errors_pb2 as details_pb2

M = TypeVar("M", bound=Message)

GROUP_CODES = frozenset(
    """GROUP_NOT_FOUND GROUP_EXISTS GROUP_CHANGED GROUP_HAS_MEMBERS GROUP_AHEAD_OF_STORE GROUP_STATE_UNREADABLE
    POSITION_BEYOND_END MEMBER_EXISTS MEMBER_STALLED DELIVERY_NOT_HELD""".split()
)
STREAM_CODES = frozenset(
    ["STREAM_NOT_FOUND", "STREAM_TOMBSTONED", "VERSION_BEYOND_END", "ERASE_SPLITS_COMMIT", "STORE_IMMUTABLE"]
)

# With these a server or a proxy refuses a call before it passes it on. RESOURCE_EXHAUSTED is not among them: a proxy may use it,
# or reset the call, after it has passed the request on.
_REFUSALS = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED)
# With these a gateway ends a session only when all appends that it has begun have their responses.
_AFTER_RESPONSES = frozenset(
    "STORE_UNAVAILABLE OVERLOADED QUOTA_EXCEEDED INVALID_REQUEST UNAUTHENTICATED ACCESS_DENIED".split()
)
_STATUSES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_RETRY_DELAY = 1.0  # where a failure has no delay: about the time that a gateway needs to restart


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that an append requests."""

    stream: str
    commit_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call ended. `was_sent`: False if it is certain that no gateway has received it."""

    status: grpc.StatusCode
    message: str
    was_sent: bool = True
    details: Mapping[str, bytes] = field(default_factory=dict)

    def find(self, kind: type[M]) -> M | None:
        encoded = self.details.get(kind.DESCRIPTOR.full_name)
        return None if encoded is None else _decode(kind, encoded)

    @property
    def info(self) -> ErrorInfo:
        """Empty if the status does not come from a gateway."""
        info = self.find(ErrorInfo)
        return info if info is not None and info.domain == "sluice.v1" else ErrorInfo()

    @property
    def retry_delay(self) -> float | None:
        retry = self.find(RetryInfo)
        return None if retry is None else retry.retry_delay.ToNanoseconds() / 1e9


def failure_of_call(error: grpc.aio.AioRpcError) -> Failure:
    trailers = dict(error.trailing_metadata() or ())
    encoded = trailers.get("grpc-status-details-bin")
    status = _decode(Status, encoded) if isinstance(encoded, bytes) else None
    return Failure(error.code(), error.details() or "", details=_unpacked(status or Status()))


def failure_of_status(status: Status) -> Failure:
    """Of a status within a response."""
    return Failure(_STATUSES.get(status.code, grpc.StatusCode.UNKNOWN), status.message, details=_unpacked(status))


def _unpacked(status: Status) -> Mapping[str, bytes]:
    return {detail.type_url.rpartition("/")[2]: detail.value for detail in status.details}


def _decode(kind: type[M], encoded: bytes) -> M | None:
    try:
        return kind.FromString(encoded)
    except DecodeError:
        return None  # the status is still of use


def to_error(failure: Failure, commit: Commit | None = None) -> errors.SluiceError:
    """An append, which has a commit, and whose outcome the failure leaves open, fails with OutcomeUnknownError."""
    in_doubt = failure.was_sent and failure.info.reason in ("", "INTERNAL") and failure.status not in _REFUSALS
    return _outcome_unknown(failure, commit) if commit and in_doubt else _recognised(failure)


def to_session_error(failure: Failure, commit: Commit | None) -> errors.SluiceError:
    """The error of an append that a session has sent, and that had no response when the session ended."""
    in_doubt = failure.was_sent and failure.info.reason not in _AFTER_RESPONSES
    return _outcome_unknown(failure, commit) if commit and in_doubt else _recognised(failure)


E = TypeVar("E", bound=errors.SluiceError)


def _make(kind: type[E], failure: Failure, /, **fields: Any) -> E:
    error = kind(failure.message)
    request = failure.find(RequestInfo) if failure.info.reason else None
    error.status = failure.status.value[0]
    error.request_id = request.request_id if request else None
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def _stream_error(failure: Failure, reason: str) -> errors.StreamError:
    facts = failure.info.metadata
    named = {name: int(facts[name]) for name in ("from_version", "to_version") if name in facts}
    return _make(errors.StreamError, failure, code=reason, stream=facts["stream"], **named)


def _outcome_unknown(failure: Failure, commit: Commit) -> errors.OutcomeUnknownError:
    message = (
        f"the response to commit {commit.commit_id} on stream {commit.stream} was lost ({failure.message}); "
        "retry with the same commit id to find out"
    )
    lost = Failure(failure.status, message, failure.was_sent, failure.details)
    return _make(errors.OutcomeUnknownError, lost, stream=commit.stream, commit_id=commit.commit_id)


def _recognised(failure: Failure) -> errors.SluiceError:
    """By its reason, or else by its status."""
    reason = failure.info.reason
    if reason in GROUP_CODES:
        return _make(errors.GroupError, failure, code=reason)
    if reason in STREAM_CODES:
        return _stream_error(failure, reason)
    make = _BY_REASON.get(reason)
    error = make(failure) if make else None
    by_status = _BY_STATUS.get(failure.status)
    return error or (by_status(failure) if by_status else _make(errors.InternalError, failure))


def _version_conflict(failure: Failure) -> errors.SluiceError | None:
    first = failure.find(details_pb2.VersionConflict)
    if first is None:
        return None
    several = failure.find(details_pb2.VersionConflicts)
    found = [_conflict(one) for one in (several.conflicts if several else [first])]
    one = _conflict(first)
    fields = {"stream": one.stream, "expected": one.expected, "actual": one.actual, "conflicts": tuple(found)}
    return _make(errors.VersionConflictError, failure, **fields)


def _conflict(one: details_pb2.VersionConflict) -> errors.VersionConflict:
    expected: int | Literal["exists"] = "exists" if one.must_exist else one.expected_version
    return errors.VersionConflict(one.stream, expected, one.actual_version)


def _invalid_request(failure: Failure) -> errors.SluiceError:
    bad = failure.find(BadRequest) or BadRequest()
    found = tuple(errors.FieldViolation(one.field, one.description) for one in bad.field_violations)
    return _make(errors.InvalidRequestError, failure, violations=found)


def _unavailable(failure: Failure) -> errors.SluiceError:
    delay = failure.retry_delay
    reason = failure.info.reason
    code = reason if reason in ("STORE_UNAVAILABLE", "REPLICA_FILLING") else "UNAVAILABLE"
    return _make(errors.UnavailableError, failure, code=code, retry_delay=_RETRY_DELAY if delay is None else delay)


def _exhausted(failure: Failure) -> errors.SluiceError:
    """An overload says when to try again. Other limits do not, and a retry does not help."""
    if failure.retry_delay is not None:
        return _make(errors.OverloadedError, failure, retry_delay=failure.retry_delay)
    violation = errors.FieldViolation("request", failure.message)
    return _make(errors.InvalidRequestError, failure, violations=(violation,))


def _contended(failure: Failure) -> errors.SluiceError:
    delay = failure.retry_delay
    return _make(errors.ConditionContendedError, failure, retry_delay=_RETRY_DELAY if delay is None else delay)


def _quota(failure: Failure) -> errors.SluiceError:
    delay = failure.retry_delay
    limit = failure.info.metadata["limit"]
    return _make(errors.QuotaExceededError, failure, limit=limit, retry_delay=_RETRY_DELAY if delay is None else delay)


def _unauthenticated(failure: Failure) -> errors.SluiceError:
    """A proxy that refuses a call does not say why."""
    cause = failure.info.metadata["cause"]
    return _make(errors.UnauthenticatedError, failure, reason=cause if cause in ("missing", "expired") else "invalid")


def _access_denied(failure: Failure) -> errors.SluiceError:
    facts = failure.info.metadata
    subject = next((facts[name] for name in ("stream", "pattern", "group") if name in facts), "")
    return _make(errors.AccessDeniedError, failure, action=facts["action"], subject=subject)


def _by_detail(kind: type[errors.SluiceError], detail: type[Message], *names: str) -> Callable[[Failure], Any]:
    """An error whose fields are those of a detail; `name=field` where they differ."""

    def make(failure: Failure) -> errors.SluiceError | None:
        found = failure.find(detail)
        if found is None:
            return None
        pairs = [name.split("=") for name in names]
        return _make(kind, failure, **{pair[0]: getattr(found, pair[-1]) for pair in pairs})

    return make


_BY_REASON: Mapping[str, Callable[[Failure], errors.SluiceError | None]] = {
    "VERSION_CONFLICT": _version_conflict,
    "APPEND_CONDITION_FAILED": _by_detail(
        errors.AppendConditionFailedError, details_pb2.AppendConditionFailed, "item", "position", "event_id"
    ),
    "CONDITION_CONTENDED": _contended,
    "COMMIT_ID_REUSE": _by_detail(
        errors.CommitIdReuseError, details_pb2.CommitIdReuse, "commit_id", "stream", "position"
    ),
    "OUTCOME_UNKNOWN": _by_detail(errors.OutcomeUnknownError, details_pb2.OutcomeUnknown, "stream", "commit_id"),
    "UNREADABLE_COMMIT": _by_detail(
        errors.UnreadableCommitError, details_pb2.UnreadableCommit, "stream", "position"
    ),
    "STORE_MISMATCH": _by_detail(
        errors.StoreMismatchError, details_pb2.StoreMismatch, "expected=expected_store_id", "actual=actual_store_id"
    ),
    "STORE_UNAVAILABLE": _unavailable,
    "REPLICA_FILLING": _unavailable,
    "STORE_FULL": lambda failure: _make(errors.StoreFullError, failure),
    "STORE_REFUSED": lambda failure: _make(errors.StoreRefusedError, failure),
    "ACCESS_DENIED": _access_denied,
    "QUOTA_EXCEEDED": _quota,
}

_BY_STATUS: Mapping[grpc.StatusCode, Callable[[Failure], errors.SluiceError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: _invalid_request,
    grpc.StatusCode.UNAVAILABLE: _unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: _exhausted,
    grpc.StatusCode.PERMISSION_DENIED: lambda failure: _make(errors.NotPermittedError, failure),
    grpc.StatusCode.UNAUTHENTICATED: _unauthenticated,
    grpc.StatusCode.DEADLINE_EXCEEDED: lambda failure: _make(errors.DeadlineExceededError, failure),
    grpc.StatusCode.CANCELLED: lambda failure: _make(errors.CallCancelledError, failure),
}
