"""Events, and what else calls take and return."""

import json
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from .v1 import event_pb2, event_store_service_pb2 as store_pb2

ExpectedVersion: TypeAlias = int | Literal["exists"] | None
"""0: the stream must be empty; n: it must be at version n; "exists": it must not be empty; None: any version."""

EventQuery: TypeAlias = event_pb2.Query
"""Events that match any of its `items`, 1 to 64."""
QueryItem: TypeAlias = event_pb2.QueryItem
"""Events that have one of its `event_types` and all of its `tags`; one of the two may be left out."""

StreamState: TypeAlias = Literal["active", "deleted", "tombstoned"]

_STATES: Mapping[int, StreamState] = {
    store_pb2.STREAM_STATE_ACTIVE: "active",
    store_pb2.STREAM_STATE_DELETED: "deleted",
    store_pb2.STREAM_STATE_TOMBSTONED: "tombstoned",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to append. `json_event` makes one from a value."""

    type: str
    """What happened, for instance "OrderPlaced": 1 to 200 bytes of UTF-8 without control characters."""
    data: str | bytes | None = None
    """The payload. Text is read as text, and bytes are read as bytes."""
    content_type: str = ""
    """Media type of `data`, for instance "application/json"."""
    id: str = ""
    """1 to 128 visible ASCII characters, unique within one append. Empty: the store generates a UUID v7."""
    correlation_id: str = ""
    """Groups the events of one business transaction over all streams. Empty: the event's own id."""
    causation_id: str = ""
    """The id of the event or command that caused this one. Empty: the event's own id; the event then has no cause."""
    tags: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as the store keeps it. It never changes."""

    stream: str
    version: int
    """1-based number of the event within its stream, without gaps."""
    position: int
    """The position of the event's commit in the whole store; all events of one commit share it."""
    id: str
    type: str
    data: str | bytes | None
    """The payload, as text or bytes as it was written; None: the event has no payload. `parse_json` reads it as JSON."""
    content_type: str
    correlation_id: str
    causation_id: str
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    commit_time_ns: int
    """When the commit was stored, by the clock of the NATS server, in nanoseconds since 1970."""
    erased: bool = False
    """Its contents were erased: there is no payload, and metadata, tags and ids of others are empty."""

    @property
    def commit_time(self) -> datetime:
        """The same in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.commit_time_ns // 1000)


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What was stored."""

    version: int
    """The version of the stream after the commit."""
    first_version: int
    """The version of the commit's first event; 0 if there were no events."""
    position: int
    replayed: bool
    """True if an earlier call with the same commit id had stored this commit."""
    commit_id: str
    """Empty if there were no events."""
    commit_time: datetime | None
    """With `with_commit_time`."""


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """What `append_multi` appends to one stream: at least one event."""

    stream: str
    events: Sequence[NewEvent]
    expected_version: ExpectedVersion = None


@dataclass(frozen=True, slots=True)
class VersionCheck:
    """The version that a stream must be at, although nothing is appended to it."""

    stream: str
    expected_version: int | Literal["exists"]


@dataclass(frozen=True, slots=True)
class AppendCondition:
    """An append with it is stored only if no event that a query selects has been stored since its caller looked."""

    query: EventQuery
    """What must not have been stored."""
    after: int = 0
    """Only events after this position count: the position of the head of the read that was the basis. 0: all events."""
    within_stream: str = ""
    """Only events of this stream count, which the append writes or checks: that costs next to nothing. Empty: those of all streams."""


@dataclass(frozen=True, slots=True)
class StreamAppended:
    """What a transaction stored in one stream."""

    stream: str
    version: int
    first_version: int


@dataclass(frozen=True, slots=True)
class AppendMultiResult:
    position: int
    """The position of the transaction; all its events share it."""
    streams: tuple[StreamAppended, ...]
    replayed: bool
    commit_id: str


@dataclass(frozen=True, slots=True)
class StreamHead:
    """The last commit of a stream, and its state now; zeroes and None if there is no such stream."""

    version: int
    position: int
    first_version: int
    """The first version that can be read: 1 unless events are hidden, `version` + 1 if all are."""
    state: StreamState | None
    commit_time: datetime | None


@dataclass(frozen=True, slots=True)
class FoundCommit:
    """A commit that was found by its id."""

    position: int
    """The position that all its events have."""
    commit_time: datetime
    streams: tuple[StreamAppended, ...]
    """What it stored on each stream that the caller may read; `first_version` is 0 for a control, which has no events."""


@dataclass(frozen=True, slots=True)
class StreamSummary(StreamHead):
    """One stream of a listing."""

    stream: str
    unreadable: bool
    """True: the last message on the stream's subject is not a commit; `version` is then 0."""
    has_controls: bool


@dataclass(frozen=True, slots=True)
class StoreHead:
    """The store as a read shows it: its end, and its id; empty: it has no id."""

    position: int
    store_id: str


@dataclass(frozen=True, slots=True)
class CorrelationHead:
    """How much of the store a read by correlation covers."""

    position: int
    limited_to_grants: bool
    """True: the caller may not read all streams, so that events may have been left out."""


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message of the store that cannot be read as a commit, or messages that are missing."""

    position: int
    stream: str
    reason: str


def json_event(type: str, value: Any, **extra: Any) -> NewEvent:
    """An event with a value as JSON text. `extra`: other fields of NewEvent."""
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return NewEvent(type=type, data=data, content_type="application/json", **extra)


def parse_json(event: RecordedEvent) -> Any:
    """The value of an event whose data is JSON, as text or as UTF-8 bytes. Raises a ValueError if it is missing or not JSON."""
    return json.loads(event.data if event.data is not None else "")


def uuid7() -> str:
    """A new UUID v7, for a commit id."""
    high = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80
    return str(uuid.UUID(int=high | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)))


def to_proto_events(events: Iterable[NewEvent], trace_context: Mapping[str, str]) -> list[event_pb2.Event]:
    """Raises a TypeError or a ValueError for an event that cannot be sent. An event with a `traceparent` keeps it."""
    return [_to_proto(event, trace_context) for event in events]


def _to_proto(event: NewEvent, trace_context: Mapping[str, str]) -> event_pb2.Event:
    extra = {} if "traceparent" in event.metadata else trace_context
    return event_pb2.Event(
        id=event.id,
        type=event.type,
        text=event.data if isinstance(event.data, str) else None,
        binary=None if isinstance(event.data, str) else event.data,
        content_type=event.content_type,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        tags=event.tags,
        metadata={**event.metadata, **extra},
    )


def to_recorded(event: event_pb2.RecordedEvent) -> RecordedEvent:
    payload = event.WhichOneof("payload")
    return RecordedEvent(
        event.stream,
        event.version,
        event.position,
        event.id,
        event.type,
        event.text if payload == "text" else event.binary if payload == "binary" else None,
        event.content_type,
        event.correlation_id,
        event.causation_id,
        tuple(event.tags),
        dict(event.metadata),
        event.commit_time.seconds * 1_000_000_000 + event.commit_time.nanos,
        event.erased,
    )


def to_time(time: Timestamp) -> datetime:
    return time.ToDatetime(timezone.utc)


def to_head(head: Any) -> StreamHead:
    """Of a message with these fields."""
    return StreamHead(*_head_fields(head))


def to_found_commit(found: store_pb2.GetCommitResponse) -> FoundCommit | None:
    if not found.position:
        return None
    streams = tuple(StreamAppended(one.stream, one.version, one.first_version) for one in found.streams)
    return FoundCommit(found.position, to_time(found.commit_time), streams)


def to_summary(summary: store_pb2.StreamSummary) -> StreamSummary:
    return StreamSummary(*_head_fields(summary), summary.stream, summary.unreadable, summary.has_controls)


def _head_fields(head: Any) -> tuple[int, int, int, StreamState | None, datetime | None]:
    time = to_time(head.commit_time) if head.HasField("commit_time") else None
    return head.version, head.position, head.first_version, _STATES.get(head.state), time


def to_condition(condition: AppendCondition | None) -> store_pb2.AppendCondition | None:
    if condition is None:
        return None
    return store_pb2.AppendCondition(
        query=condition.query, after_position=condition.after, within_stream=condition.within_stream
    )


def to_expectation(expected: ExpectedVersion) -> dict[str, Any]:
    """The fields of a request."""
    if expected == "exists":
        return {"must_exist": True}
    return {"expected_version": expected}
