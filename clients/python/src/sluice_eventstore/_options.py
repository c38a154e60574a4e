"""The keyword arguments of calls. Times are in seconds, points in time are datetimes with a time zone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict

from ._events import AppendCondition, EventQuery, ExpectedVersion, UnreadableMessage, VersionCheck


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM texts. `ca`: the authorities of the gateway's certificate, None: those of gRPC. `cert` and `key`: of the client."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = None


class ConnectOptions(TypedDict, total=False):
    """How to connect."""

    tls: ClientTls | bool
    """True: TLS with the authorities of gRPC. Left out: plain text."""
    token: str | Callable[[], str] | Callable[[], Awaitable[str]]
    """
    An API token or a JWT, or a function that returns one, which is called in a thread if it is not async. It is called when there
    is no token yet, and again when a gateway refuses the token, once for all calls; these are then made again, once. Only over
    TLS, or to this machine: an address of loopback, `localhost` or `unix:/path`.
    """
    timeout: float
    """How long a call with a single response may take, unless it has its own; `math.inf`: without limit. Default: 15."""
    append_attempts_max: int
    """How often an append is sent at most, always with the same commit id. Default: 8."""
    metadata: Mapping[str, str]
    """gRPC metadata of every call."""
    record_trace_context: bool
    """True: appended events get the `traceparent` of the current span of OpenTelemetry in their metadata."""
    channel_options: Mapping[str, str | int]
    """Channel options of gRPC; they override those of this client."""


class CallOptions(TypedDict, total=False):
    """The options of every call with a single response."""

    timeout: float
    """How long the whole call may take; `math.inf`: without limit."""


class AppendConditions(TypedDict, total=False):
    """How to append."""

    expected_version: ExpectedVersion
    condition: AppendCondition | None
    """What must not have been stored since the caller looked; `retry_on_condition` makes one. None: no condition."""
    commit_id: str
    """Idempotency key, a UUID, preferably a UUID v7. Left out: the client generates one."""
    with_commit_time: bool
    """True: the result has the time of the commit. This costs one more request to the store."""


class AppendOptions(AppendConditions, CallOptions, total=False):
    """How to append."""

    validate_only: bool
    """
    True: nothing is stored. The call fails as the append would now, or has the versions that it would get, position 0 and no
    commit id; or, if an earlier append with the same commit id has stored the events, the result of that one.
    """


class AppendMultiOptions(CallOptions, total=False):
    """How to append to several streams."""

    checks: Sequence[VersionCheck]
    condition: AppendCondition | None
    """As for `append`."""
    commit_id: str
    validate_only: bool
    """As for `append`."""


class SessionOptions(CallOptions, total=False):
    """How to open a session. Without `timeout` it may stay open without limit."""

    pending_max: int
    """The largest number of appends that may wait for their responses. Default: 1,024."""
    in_order: bool
    """
    True: the commits are stored in the order of the calls, over all streams, and nothing is stored after one that failed. This
    is slower.
    """


class ReadOptions(CallOptions, total=False):
    """The options of every read."""

    max_count: int
    """At most this many events, counted after all filters; 0: no limit."""
    event_types: Sequence[str]
    """Only events of these types; empty: all types."""


class RangeOptions(ReadOptions, total=False):
    """The options of a read that can go both ways and be limited by time."""

    direction: Literal["forward", "backward"]
    from_time: datetime
    """Only commits at or after this time."""
    to_time: datetime
    """Only commits at or before this time."""


class ReadStreamOptions(RangeOptions, total=False):
    """Which part of a stream to read; without options, the whole stream."""

    from_version: int
    """The first version to read, inclusive; 0: the beginning, or the end when reading backward."""
    to_version: int
    """The last version to read, inclusive; 0: no limit."""
    any_replica: bool
    """True: the gateway does not ask the leader of the store; on a replicated store the newest commits may be missing."""


class UnreadableOptions(TypedDict, total=False):
    """What a read does with messages that cannot be read."""

    on_unreadable: Callable[[UnreadableMessage], object]
    """If given, the loop skips them and calls this for each. Left out: it fails there with UnreadableCommitError."""


class EventFilter(TypedDict, total=False):
    """Which events of the whole store."""

    patterns: Sequence[str]
    """Streams by name in NATS notation: "order.*", "order.>", "order.1"; empty: all streams."""
    event_types: Sequence[str]
    """Only events of these types, or with a type that begins with one of `event_type_prefixes`; both empty: all types."""
    event_type_prefixes: Sequence[str]
    query: EventQuery | None
    """Only events that it selects by their types and tags, found by an index where each item has tags; None: all events."""
    permitted_only: bool
    """True: of these streams, those that the caller has grants for when the call begins. Otherwise AccessDeniedError."""


class ReadByCorrelationOptions(ReadOptions, UnreadableOptions):
    """The options of a read by correlation."""


class ReadAllOptions(RangeOptions, UnreadableOptions, total=False):
    """Which part of the store to read; without options, the whole store."""

    patterns: Sequence[str]
    event_type_prefixes: Sequence[str]
    query: EventQuery | None
    """Only events that it selects by their types and tags, found by an index where each item has tags; None: all events."""
    permitted_only: bool
    after: int | str | None
    """Start after the commit at a position, or after the cursor of an earlier read with the same filters and direction."""
    to_position: int
    """The last position to read, inclusive; 0: no limit."""


class SubscribeOptions(EventFilter, UnreadableOptions, total=False):
    """What to follow, and where to start: at most one of `after`, `after_version` and `from_now`."""

    stream: str
    """One stream; not together with `patterns`. Without both: the whole store."""
    after: int | str | None
    """Start after the commit at a position, or after the cursor of an earlier subscription with the same filters."""
    after_version: int
    """Start after this version; only with `stream`."""
    from_time: datetime
    """Only commits at or after this time, each by its own time. Can be combined with `after`, but with no other start."""
    from_now: bool
    """Start with the events that are stored after the call has reached the store."""
    start_must_exist: bool
    """True: a position or version after the end is refused. Otherwise the subscription waits until it exists."""
    heartbeat_interval: float
    """How often the gateway sends a heartbeat, 1 to 3,600. After three without any message, another connection is opened. Default: 5."""
    on_caught_up: Callable[[], object]
    """The loop has all events that were stored before; from now on it gets events as they are stored. Can be called again."""
    on_fell_behind: Callable[[], object]
    """The loop was too slow: it gets events from the log again until `on_caught_up`."""
    on_reconnect: Callable[[Exception], object]
    """The connection was lost or the token function failed, and the client is about to try again."""


class ListStreamsOptions(CallOptions, total=False):
    """Which streams to list."""

    pattern: str
    """In NATS notation: "order.*" is one further token, "order.>" one or more. Left out: all."""
    after: str
    """Only names after this one in byte order."""
    max_count: int
    permitted_only: bool
    include_deleted: bool


class ChangeOptions(CallOptions, total=False):
    """How to change a stream."""

    expected_version: int
    """The version that the stream must have. Left out: any version from 1 on."""
    commit_id: str


class ConsumeOptions(TypedDict, total=False):
    """How to consume. What a callback raises ends `run`, which then fails with it."""

    concurrency: int
    """The number of events that are handled at a time, of different streams. Default: 1."""
    max_in_flight: int
    """The largest number of deliveries that the gateway sends ahead. Default: twice `concurrency`."""
    member: str
    """The id of the member, unique in its group. Left out: the gateway makes one."""
    heartbeat_interval: float
    """As for a subscription. Default: 5."""
    on_joined: Callable[[Any], object]
    """Called with the message `Joined` of the contract each time that the member has joined."""
    on_caught_up: Callable[[], object]
    """Called when nothing of new lanes is left to deliver."""
    on_failed: Callable[[Exception, Any], object]
    """Called with the error and the event when a handler has raised, also a ParkEvent, SkipEvent or RetryEvent."""
    on_refused: Callable[[Exception], object]
    """Called when what a handler did came too late: a GroupError with the code DELIVERY_NOT_HELD. The event comes again."""
    on_reconnect: Callable[[Exception], object]
    """Called when the call has ended, and the client is about to join again."""
