"""What calls fail with. Arguments that cannot be sent are a ValueError or a TypeError instead."""

from dataclasses import dataclass
from typing import Literal


class SluiceError(Exception):
    """The base of every error of a call. `code` names the kind of error and never changes; the message is for people."""

    code: str = "INTERNAL"
    status: int = 0
    """The number of the gRPC status that the call ended with, for instance 10 for ABORTED; 0: it ended with none."""
    request_id: str | None = None
    """By which the log of the gateway names the call; None: no gateway has ended it."""

    @property
    def message(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of a request that is not valid, by its path in the contract, such as `events[3].content_type`."""

    field: str
    description: str


class InvalidRequestError(SluiceError):
    """The request can never succeed as it is, or a message is too large for something between. Nothing was stored."""

    code = "INVALID_REQUEST"
    violations: tuple[FieldViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """A stream that is not as expected."""

    stream: str
    expected: int | Literal["exists"]
    actual: int


class VersionConflictError(SluiceError):
    """The stream is not as expected. Nothing was stored. Read it again, decide again, append again."""

    code = "VERSION_CONFLICT"
    stream: str
    expected: int | Literal["exists"]
    actual: int
    conflicts: tuple[VersionConflict, ...]
    """This conflict and the others of an `append_multi`; the list is truncated if it is long."""


class AppendConditionFailedError(SluiceError):
    """
    An event was stored that the query of the condition selects. Nothing was stored. Read again, decide again, append again.
    """

    code = "APPEND_CONDITION_FAILED"
    item: int
    """The item of the query that selects the event, from 0."""
    position: int
    event_id: str


class ConditionContendedError(SluiceError):
    """Others have appended in each of 20 rounds between the look at the condition and the append. Nothing was stored."""

    code = "CONDITION_CONTENDED"
    retry_delay: float
    """Wait this many seconds before the next attempt."""


class CommitIdReuseError(SluiceError):
    """The commit id belongs to another commit. Nothing was stored."""

    code = "COMMIT_ID_REUSE"
    commit_id: str
    stream: str
    """The stream of that commit; empty: the caller may not read it."""
    position: int
    """Its position; 0: the caller may not read its stream."""


class UnavailableError(SluiceError):
    """
    The store cannot be reached. Nothing was stored. Codes: STORE_UNAVAILABLE, the gateway responds, but has no connection to
    NATS or is stopping; REPLICA_FILLING, it has not read the whole log yet; UNAVAILABLE, there is no connection to a gateway.
    """

    code = "UNAVAILABLE"
    retry_delay: float = 1.0
    """Wait this many seconds before the next attempt."""


class OutcomeUnknownError(SluiceError):
    """
    The append was sent, but its response was lost: it may or may not be stored. Append the same events again, with the same
    commit id and the same expected version: they are stored at most once.
    """

    code = "OUTCOME_UNKNOWN"
    stream: str
    commit_id: str


class OverloadedError(SluiceError):
    """A limit of the gateway is reached. Nothing was stored."""

    code = "OVERLOADED"
    retry_delay: float
    """Wait this many seconds before the next attempt."""


class QuotaExceededError(SluiceError):
    """The caller uses as much as it may. Nothing was stored."""

    code = "QUOTA_EXCEEDED"
    limit: str
    """The name of the limit, such as `appends_per_s`."""
    retry_delay: float
    """Wait this many seconds before the next attempt."""


class StoreFullError(SluiceError):
    """The store is full. Nothing was stored, and a retry does not help until an operator has made space. Reads still work."""

    code = "STORE_FULL"


class StoreRefusedError(SluiceError):
    """NATS refuses to store the commit because of how the store is configured. Nothing was stored."""

    code = "STORE_REFUSED"


class StoreMismatchError(SluiceError):
    """The cursor is not of this store: positions of one store mean nothing in another."""

    code = "STORE_MISMATCH"
    expected: str
    actual: str
    """The id of the store; empty: it has no id."""


class UnreadableCommitError(SluiceError):
    """A stored message is not a commit of its stream. Other streams are not affected."""

    code = "UNREADABLE_COMMIT"
    stream: str
    position: int


class NotPermittedError(SluiceError):
    """NATS does not allow this to the gateway, or a proxy refuses the call. Nothing was stored."""

    code = "NOT_PERMITTED"


class UnauthenticatedError(SluiceError):
    """The gateway, or a proxy before it, does not accept who calls. Nothing was stored."""

    code = "UNAUTHENTICATED"
    reason: Literal["missing", "expired", "invalid"]
    """`missing`: there is no token; the token function may have failed, and `__cause__` is then its error."""


class TokenFunctionError(UnauthenticatedError):
    """The token function failed or took too long. A later call asks it again."""


class AccessDeniedError(SluiceError):
    """The caller is known, but not allowed to do this. Nothing was stored."""

    code = "ACCESS_DENIED"
    action: str
    """What is not granted, such as `append`."""
    subject: str
    """The stream, pattern or group as it was sent; empty: the store as a whole, or several streams."""


class DeadlineExceededError(SluiceError):
    """The timeout passed before the response arrived. Nothing was stored."""

    code = "DEADLINE_EXCEEDED"


class CallCancelledError(SluiceError):
    """The call ended before its response: the gateway ended it, the client was closed, or a CancelScope was cancelled."""

    code = "CANCELLED"


class IncompleteReadError(SluiceError):
    """A read ended without an error, but not with all that was announced: something between client and gateway is broken."""

    code = "INCOMPLETE_READ"


class GroupError(SluiceError):
    """A call of a consumer group failed; docs/errors.md explains the codes. Nothing was changed."""


class StreamError(SluiceError):
    """
    A stream cannot be used like this, and nothing was stored. STREAM_NOT_FOUND: it never had an event. STREAM_TOMBSTONED: it
    takes no more events. VERSION_BEYOND_END: it ends before the version of a `truncate` or an `erase`. ERASE_SPLITS_COMMIT: events
    that were appended together are erased together. STORE_IMMUTABLE: nothing can be removed from the store.
    """

    stream: str
    from_version: int | None = None
    """With ERASE_SPLITS_COMMIT, this and `to_version`: the smallest range around that of the call that covers whole commits."""
    to_version: int | None = None


class InternalError(SluiceError):
    """Anything else: a bug in the gateway or the client, or a gateway that does not know the call; see `status`."""
