import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from . import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_FORWARD: _ClassVar[Direction]
    DIRECTION_BACKWARD: _ClassVar[Direction]

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSISTENCY_UNSPECIFIED: _ClassVar[Consistency]
    CONSISTENCY_LEADER: _ClassVar[Consistency]
    CONSISTENCY_ANY_REPLICA: _ClassVar[Consistency]

class StreamState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_STATE_UNSPECIFIED: _ClassVar[StreamState]
    STREAM_STATE_ACTIVE: _ClassVar[StreamState]
    STREAM_STATE_DELETED: _ClassVar[StreamState]
    STREAM_STATE_TOMBSTONED: _ClassVar[StreamState]

class ReadEndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    READ_END_REASON_UNSPECIFIED: _ClassVar[ReadEndReason]
    READ_END_REASON_COMPLETE: _ClassVar[ReadEndReason]
    READ_END_REASON_MAX_COUNT: _ClassVar[ReadEndReason]

class ReflectionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFLECTION_MODE_UNSPECIFIED: _ClassVar[ReflectionMode]
    REFLECTION_MODE_ON: _ClassVar[ReflectionMode]
    REFLECTION_MODE_AUTHENTICATED: _ClassVar[ReflectionMode]
    REFLECTION_MODE_OFF: _ClassVar[ReflectionMode]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_FSYNC_ALWAYS: _ClassVar[Durability]
    DURABILITY_FSYNC_INTERVAL: _ClassVar[Durability]
DIRECTION_UNSPECIFIED: Direction
DIRECTION_FORWARD: Direction
DIRECTION_BACKWARD: Direction
CONSISTENCY_UNSPECIFIED: Consistency
CONSISTENCY_LEADER: Consistency
CONSISTENCY_ANY_REPLICA: Consistency
STREAM_STATE_UNSPECIFIED: StreamState
STREAM_STATE_ACTIVE: StreamState
STREAM_STATE_DELETED: StreamState
STREAM_STATE_TOMBSTONED: StreamState
READ_END_REASON_UNSPECIFIED: ReadEndReason
READ_END_REASON_COMPLETE: ReadEndReason
READ_END_REASON_MAX_COUNT: ReadEndReason
REFLECTION_MODE_UNSPECIFIED: ReflectionMode
REFLECTION_MODE_ON: ReflectionMode
REFLECTION_MODE_AUTHENTICATED: ReflectionMode
REFLECTION_MODE_OFF: ReflectionMode
DURABILITY_UNSPECIFIED: Durability
DURABILITY_FSYNC_ALWAYS: Durability
DURABILITY_FSYNC_INTERVAL: Durability

class AppendRequest(_message.Message):
    __slots__ = ("stream", "events", "expected_version", "must_exist", "commit_id", "with_commit_time", "condition", "validate_only")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    stream: str
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    expected_version: int
    must_exist: bool
    commit_id: str
    with_commit_time: bool
    condition: AppendCondition
    validate_only: bool
    def __init__(self, stream: _Optional[str] = ..., events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., expected_version: _Optional[int] = ..., must_exist: bool = ..., commit_id: _Optional[str] = ..., with_commit_time: bool = ..., condition: _Optional[_Union[AppendCondition, _Mapping]] = ..., validate_only: bool = ...) -> None: ...

class AppendCondition(_message.Message):
    __slots__ = ("query", "after_position", "within_stream")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    WITHIN_STREAM_FIELD_NUMBER: _ClassVar[int]
    query: _event_pb2.Query
    after_position: int
    within_stream: str
    def __init__(self, query: _Optional[_Union[_event_pb2.Query, _Mapping]] = ..., after_position: _Optional[int] = ..., within_stream: _Optional[str] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("version", "first_version", "position", "commit_time", "replayed", "commit_id")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    version: int
    first_version: int
    position: int
    commit_time: _timestamp_pb2.Timestamp
    replayed: bool
    commit_id: str
    def __init__(self, version: _Optional[int] = ..., first_version: _Optional[int] = ..., position: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class AppendMultiRequest(_message.Message):
    __slots__ = ("appends", "checks", "commit_id", "condition", "validate_only")
    APPENDS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    appends: _containers.RepeatedCompositeFieldContainer[StreamAppend]
    checks: _containers.RepeatedCompositeFieldContainer[VersionCheck]
    commit_id: str
    condition: AppendCondition
    validate_only: bool
    def __init__(self, appends: _Optional[_Iterable[_Union[StreamAppend, _Mapping]]] = ..., checks: _Optional[_Iterable[_Union[VersionCheck, _Mapping]]] = ..., commit_id: _Optional[str] = ..., condition: _Optional[_Union[AppendCondition, _Mapping]] = ..., validate_only: bool = ...) -> None: ...

class StreamAppend(_message.Message):
    __slots__ = ("stream", "events", "expected_version", "must_exist")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    stream: str
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    expected_version: int
    must_exist: bool
    def __init__(self, stream: _Optional[str] = ..., events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., expected_version: _Optional[int] = ..., must_exist: bool = ...) -> None: ...

class VersionCheck(_message.Message):
    __slots__ = ("stream", "expected_version", "must_exist")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    stream: str
    expected_version: int
    must_exist: bool
    def __init__(self, stream: _Optional[str] = ..., expected_version: _Optional[int] = ..., must_exist: bool = ...) -> None: ...

class AppendMultiResponse(_message.Message):
    __slots__ = ("position", "streams", "replayed", "commit_id")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    position: int
    streams: _containers.RepeatedCompositeFieldContainer[StreamAppended]
    replayed: bool
    commit_id: str
    def __init__(self, position: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[StreamAppended, _Mapping]]] = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class StreamAppended(_message.Message):
    __slots__ = ("stream", "version", "first_version")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    stream: str
    version: int
    first_version: int
    def __init__(self, stream: _Optional[str] = ..., version: _Optional[int] = ..., first_version: _Optional[int] = ...) -> None: ...

class AppendSessionRequest(_message.Message):
    __slots__ = ("appends",)
    APPENDS_FIELD_NUMBER: _ClassVar[int]
    appends: _containers.RepeatedCompositeFieldContainer[SessionAppend]
    def __init__(self, appends: _Optional[_Iterable[_Union[SessionAppend, _Mapping]]] = ...) -> None: ...

class SessionAppend(_message.Message):
    __slots__ = ("tag", "append", "in_order", "trace_context")
    TAG_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    IN_ORDER_FIELD_NUMBER: _ClassVar[int]
    TRACE_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    tag: int
    append: AppendRequest
    in_order: bool
    trace_context: TraceContext
    def __init__(self, tag: _Optional[int] = ..., append: _Optional[_Union[AppendRequest, _Mapping]] = ..., in_order: bool = ..., trace_context: _Optional[_Union[TraceContext, _Mapping]] = ...) -> None: ...

class TraceContext(_message.Message):
    __slots__ = ("traceparent", "tracestate")
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    traceparent: str
    tracestate: str
    def __init__(self, traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class AppendSessionResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[SessionAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[SessionAnswer, _Mapping]]] = ...) -> None: ...

class SessionAnswer(_message.Message):
    __slots__ = ("tag", "result", "error", "failed_tag")
    TAG_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FAILED_TAG_FIELD_NUMBER: _ClassVar[int]
    tag: int
    result: AppendResponse
    error: _status_pb2.Status
    failed_tag: int
    def __init__(self, tag: _Optional[int] = ..., result: _Optional[_Union[AppendResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., failed_tag: _Optional[int] = ...) -> None: ...

class PageHint(_message.Message):
    __slots__ = ("events_max", "bytes_max")
    EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    events_max: int
    bytes_max: int
    def __init__(self, events_max: _Optional[int] = ..., bytes_max: _Optional[int] = ...) -> None: ...

class ReadStreamRequest(_message.Message):
    __slots__ = ("stream", "from_version", "to_version", "direction", "max_count", "from_time", "to_time", "event_types", "page", "consistency")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    stream: str
    from_version: int
    to_version: int
    direction: Direction
    max_count: int
    from_time: _timestamp_pb2.Timestamp
    to_time: _timestamp_pb2.Timestamp
    event_types: _containers.RepeatedScalarFieldContainer[str]
    page: PageHint
    consistency: Consistency
    def __init__(self, stream: _Optional[str] = ..., from_version: _Optional[int] = ..., to_version: _Optional[int] = ..., direction: _Optional[_Union[Direction, str]] = ..., max_count: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event_types: _Optional[_Iterable[str]] = ..., page: _Optional[_Union[PageHint, _Mapping]] = ..., consistency: _Optional[_Union[Consistency, str]] = ...) -> None: ...

class ReadStreamResponse(_message.Message):
    __slots__ = ("events", "header", "end")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RecordedEvent]
    header: ReadStreamHeader
    end: ReadEnd
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RecordedEvent, _Mapping]]] = ..., header: _Optional[_Union[ReadStreamHeader, _Mapping]] = ..., end: _Optional[_Union[ReadEnd, _Mapping]] = ...) -> None: ...

class ReadStreamHeader(_message.Message):
    __slots__ = ("stream", "version", "position", "commit_time", "first_version", "state")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    stream: str
    version: int
    position: int
    commit_time: _timestamp_pb2.Timestamp
    first_version: int
    state: StreamState
    def __init__(self, stream: _Optional[str] = ..., version: _Optional[int] = ..., position: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_version: _Optional[int] = ..., state: _Optional[_Union[StreamState, str]] = ...) -> None: ...

class ReadEnd(_message.Message):
    __slots__ = ("reason", "event_count", "unreadable_skipped")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    reason: ReadEndReason
    event_count: int
    unreadable_skipped: int
    def __init__(self, reason: _Optional[_Union[ReadEndReason, str]] = ..., event_count: _Optional[int] = ..., unreadable_skipped: _Optional[int] = ...) -> None: ...

class UnreadableMessage(_message.Message):
    __slots__ = ("position", "stream", "reason")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    position: int
    stream: str
    reason: str
    def __init__(self, position: _Optional[int] = ..., stream: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class GetVersionRequest(_message.Message):
    __slots__ = ("stream", "as_of")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    stream: str
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, stream: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetVersionResponse(_message.Message):
    __slots__ = ("version", "position", "commit_time", "first_version", "state")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    version: int
    position: int
    commit_time: _timestamp_pb2.Timestamp
    first_version: int
    state: StreamState
    def __init__(self, version: _Optional[int] = ..., position: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_version: _Optional[int] = ..., state: _Optional[_Union[StreamState, str]] = ...) -> None: ...

class GetCommitRequest(_message.Message):
    __slots__ = ("commit_id",)
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    commit_id: str
    def __init__(self, commit_id: _Optional[str] = ...) -> None: ...

class GetCommitResponse(_message.Message):
    __slots__ = ("position", "commit_time", "streams")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    position: int
    commit_time: _timestamp_pb2.Timestamp
    streams: _containers.RepeatedCompositeFieldContainer[StreamAppended]
    def __init__(self, position: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., streams: _Optional[_Iterable[_Union[StreamAppended, _Mapping]]] = ...) -> None: ...

class ReadByCorrelationRequest(_message.Message):
    __slots__ = ("correlation_id", "event_types", "max_count", "page", "skip_unreadable")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SKIP_UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    event_types: _containers.RepeatedScalarFieldContainer[str]
    max_count: int
    page: PageHint
    skip_unreadable: bool
    def __init__(self, correlation_id: _Optional[str] = ..., event_types: _Optional[_Iterable[str]] = ..., max_count: _Optional[int] = ..., page: _Optional[_Union[PageHint, _Mapping]] = ..., skip_unreadable: bool = ...) -> None: ...

class ReadByCorrelationResponse(_message.Message):
    __slots__ = ("events", "header", "end", "unreadable")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RecordedEvent]
    header: ReadByCorrelationHeader
    end: ReadEnd
    unreadable: _containers.RepeatedCompositeFieldContainer[UnreadableMessage]
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RecordedEvent, _Mapping]]] = ..., header: _Optional[_Union[ReadByCorrelationHeader, _Mapping]] = ..., end: _Optional[_Union[ReadEnd, _Mapping]] = ..., unreadable: _Optional[_Iterable[_Union[UnreadableMessage, _Mapping]]] = ...) -> None: ...

class ReadByCorrelationHeader(_message.Message):
    __slots__ = ("position", "limited_to_grants")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LIMITED_TO_GRANTS_FIELD_NUMBER: _ClassVar[int]
    position: int
    limited_to_grants: bool
    def __init__(self, position: _Optional[int] = ..., limited_to_grants: bool = ...) -> None: ...

class ReadAllRequest(_message.Message):
    __slots__ = ("patterns", "after_position", "after_count", "to_position", "direction", "max_count", "from_time", "to_time", "event_types", "event_type_prefixes", "page", "skip_unreadable", "store_id", "permitted_only", "query")
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    AFTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    TO_POSITION_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SKIP_UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    PERMITTED_ONLY_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    patterns: _containers.RepeatedScalarFieldContainer[str]
    after_position: int
    after_count: int
    to_position: int
    direction: Direction
    max_count: int
    from_time: _timestamp_pb2.Timestamp
    to_time: _timestamp_pb2.Timestamp
    event_types: _containers.RepeatedScalarFieldContainer[str]
    event_type_prefixes: _containers.RepeatedScalarFieldContainer[str]
    page: PageHint
    skip_unreadable: bool
    store_id: str
    permitted_only: bool
    query: _event_pb2.Query
    def __init__(self, patterns: _Optional[_Iterable[str]] = ..., after_position: _Optional[int] = ..., after_count: _Optional[int] = ..., to_position: _Optional[int] = ..., direction: _Optional[_Union[Direction, str]] = ..., max_count: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event_types: _Optional[_Iterable[str]] = ..., event_type_prefixes: _Optional[_Iterable[str]] = ..., page: _Optional[_Union[PageHint, _Mapping]] = ..., skip_unreadable: bool = ..., store_id: _Optional[str] = ..., permitted_only: bool = ..., query: _Optional[_Union[_event_pb2.Query, _Mapping]] = ...) -> None: ...

class ReadAllResponse(_message.Message):
    __slots__ = ("events", "header", "end", "position", "unreadable")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RecordedEvent]
    header: ReadAllHeader
    end: ReadEnd
    position: int
    unreadable: _containers.RepeatedCompositeFieldContainer[UnreadableMessage]
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RecordedEvent, _Mapping]]] = ..., header: _Optional[_Union[ReadAllHeader, _Mapping]] = ..., end: _Optional[_Union[ReadEnd, _Mapping]] = ..., position: _Optional[int] = ..., unreadable: _Optional[_Iterable[_Union[UnreadableMessage, _Mapping]]] = ...) -> None: ...

class ReadAllHeader(_message.Message):
    __slots__ = ("position", "store_id")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    position: int
    store_id: str
    def __init__(self, position: _Optional[int] = ..., store_id: _Optional[str] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("stream", "patterns", "after_position", "after_count", "after_version", "from_time", "from_now", "start_must_exist", "event_types", "event_type_prefixes", "heartbeat_interval", "page", "skip_unreadable", "store_id", "permitted_only", "query")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    AFTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    START_MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SKIP_UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    PERMITTED_ONLY_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    stream: str
    patterns: _containers.RepeatedScalarFieldContainer[str]
    after_position: int
    after_count: int
    after_version: int
    from_time: _timestamp_pb2.Timestamp
    from_now: bool
    start_must_exist: bool
    event_types: _containers.RepeatedScalarFieldContainer[str]
    event_type_prefixes: _containers.RepeatedScalarFieldContainer[str]
    heartbeat_interval: _duration_pb2.Duration
    page: PageHint
    skip_unreadable: bool
    store_id: str
    permitted_only: bool
    query: _event_pb2.Query
    def __init__(self, stream: _Optional[str] = ..., patterns: _Optional[_Iterable[str]] = ..., after_position: _Optional[int] = ..., after_count: _Optional[int] = ..., after_version: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., from_now: bool = ..., start_must_exist: bool = ..., event_types: _Optional[_Iterable[str]] = ..., event_type_prefixes: _Optional[_Iterable[str]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., page: _Optional[_Union[PageHint, _Mapping]] = ..., skip_unreadable: bool = ..., store_id: _Optional[str] = ..., permitted_only: bool = ..., query: _Optional[_Union[_event_pb2.Query, _Mapping]] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("events", "position", "checkpoint", "heartbeat", "caught_up", "fell_behind", "draining", "unreadable", "store_id")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    FELL_BEHIND_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RecordedEvent]
    position: int
    checkpoint: Checkpoint
    heartbeat: Heartbeat
    caught_up: CaughtUp
    fell_behind: FellBehind
    draining: Draining
    unreadable: _containers.RepeatedCompositeFieldContainer[UnreadableMessage]
    store_id: str
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RecordedEvent, _Mapping]]] = ..., position: _Optional[int] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., caught_up: _Optional[_Union[CaughtUp, _Mapping]] = ..., fell_behind: _Optional[_Union[FellBehind, _Mapping]] = ..., draining: _Optional[_Union[Draining, _Mapping]] = ..., unreadable: _Optional[_Iterable[_Union[UnreadableMessage, _Mapping]]] = ..., store_id: _Optional[str] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("head_position", "lag")
    HEAD_POSITION_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    head_position: int
    lag: int
    def __init__(self, head_position: _Optional[int] = ..., lag: _Optional[int] = ...) -> None: ...

class CaughtUp(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FellBehind(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Draining(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListStreamsRequest(_message.Message):
    __slots__ = ("pattern", "after", "max_count", "permitted_only", "include_deleted")
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    PERMITTED_ONLY_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DELETED_FIELD_NUMBER: _ClassVar[int]
    pattern: str
    after: str
    max_count: int
    permitted_only: bool
    include_deleted: bool
    def __init__(self, pattern: _Optional[str] = ..., after: _Optional[str] = ..., max_count: _Optional[int] = ..., permitted_only: bool = ..., include_deleted: bool = ...) -> None: ...

class ListStreamsResponse(_message.Message):
    __slots__ = ("streams",)
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[StreamSummary]
    def __init__(self, streams: _Optional[_Iterable[_Union[StreamSummary, _Mapping]]] = ...) -> None: ...

class StreamSummary(_message.Message):
    __slots__ = ("stream", "version", "position", "commit_time", "unreadable", "first_version", "state", "has_controls")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HAS_CONTROLS_FIELD_NUMBER: _ClassVar[int]
    stream: str
    version: int
    position: int
    commit_time: _timestamp_pb2.Timestamp
    unreadable: bool
    first_version: int
    state: StreamState
    has_controls: bool
    def __init__(self, stream: _Optional[str] = ..., version: _Optional[int] = ..., position: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unreadable: bool = ..., first_version: _Optional[int] = ..., state: _Optional[_Union[StreamState, str]] = ..., has_controls: bool = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "store", "limits", "features", "replica", "access", "grpc_address")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    GRPC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    version: str
    store: StoreInfo
    limits: ServerLimits
    features: _containers.RepeatedScalarFieldContainer[str]
    replica: LogReplica
    access: AccessInfo
    grpc_address: str
    def __init__(self, version: _Optional[str] = ..., store: _Optional[_Union[StoreInfo, _Mapping]] = ..., limits: _Optional[_Union[ServerLimits, _Mapping]] = ..., features: _Optional[_Iterable[str]] = ..., replica: _Optional[_Union[LogReplica, _Mapping]] = ..., access: _Optional[_Union[AccessInfo, _Mapping]] = ..., grpc_address: _Optional[str] = ...) -> None: ...

class AccessInfo(_message.Message):
    __slots__ = ("controlled", "local", "tls", "client_certificate_required", "reflection", "principal", "auth_file")
    CONTROLLED_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    AUTH_FILE_FIELD_NUMBER: _ClassVar[int]
    controlled: bool
    local: bool
    tls: bool
    client_certificate_required: bool
    reflection: ReflectionMode
    principal: str
    auth_file: AuthFileInfo
    def __init__(self, controlled: bool = ..., local: bool = ..., tls: bool = ..., client_certificate_required: bool = ..., reflection: _Optional[_Union[ReflectionMode, str]] = ..., principal: _Optional[str] = ..., auth_file: _Optional[_Union[AuthFileInfo, _Mapping]] = ...) -> None: ...

class AuthFileInfo(_message.Message):
    __slots__ = ("generation", "problems", "anonymous_grants", "tokens_without_expiry", "tokens_expired", "tokens_expiring", "unused_roles", "all_streams_by_default", "all_streams_principals")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_GRANTS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_WITHOUT_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    TOKENS_EXPIRING_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ROLES_FIELD_NUMBER: _ClassVar[int]
    ALL_STREAMS_BY_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    ALL_STREAMS_PRINCIPALS_FIELD_NUMBER: _ClassVar[int]
    generation: int
    problems: _containers.RepeatedScalarFieldContainer[str]
    anonymous_grants: _containers.RepeatedScalarFieldContainer[str]
    tokens_without_expiry: int
    tokens_expired: int
    tokens_expiring: _containers.RepeatedCompositeFieldContainer[ExpiringToken]
    unused_roles: _containers.RepeatedScalarFieldContainer[str]
    all_streams_by_default: bool
    all_streams_principals: int
    def __init__(self, generation: _Optional[int] = ..., problems: _Optional[_Iterable[str]] = ..., anonymous_grants: _Optional[_Iterable[str]] = ..., tokens_without_expiry: _Optional[int] = ..., tokens_expired: _Optional[int] = ..., tokens_expiring: _Optional[_Iterable[_Union[ExpiringToken, _Mapping]]] = ..., unused_roles: _Optional[_Iterable[str]] = ..., all_streams_by_default: bool = ..., all_streams_principals: _Optional[int] = ...) -> None: ...

class ExpiringToken(_message.Message):
    __slots__ = ("id", "expires_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    expires_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., expires_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StoreInfo(_message.Message):
    __slots__ = ("name", "store_id", "prefix", "replicas", "nats_version", "durability", "position", "message_count", "bytes", "embedded", "consumer_count", "replica_infos", "bytes_max", "wrong_settings", "full_by", "log", "subscriptions_trouble")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    NATS_VERSION_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPLICA_INFOS_FIELD_NUMBER: _ClassVar[int]
    BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    WRONG_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    FULL_BY_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    store_id: str
    prefix: str
    replicas: int
    nats_version: str
    durability: Durability
    position: int
    message_count: int
    bytes: int
    embedded: bool
    consumer_count: int
    replica_infos: _containers.RepeatedCompositeFieldContainer[ReplicaInfo]
    bytes_max: int
    wrong_settings: _containers.RepeatedScalarFieldContainer[str]
    full_by: str
    log: LogFindings
    subscriptions_trouble: str
    def __init__(self, name: _Optional[str] = ..., store_id: _Optional[str] = ..., prefix: _Optional[str] = ..., replicas: _Optional[int] = ..., nats_version: _Optional[str] = ..., durability: _Optional[_Union[Durability, str]] = ..., position: _Optional[int] = ..., message_count: _Optional[int] = ..., bytes: _Optional[int] = ..., embedded: bool = ..., consumer_count: _Optional[int] = ..., replica_infos: _Optional[_Iterable[_Union[ReplicaInfo, _Mapping]]] = ..., bytes_max: _Optional[int] = ..., wrong_settings: _Optional[_Iterable[str]] = ..., full_by: _Optional[str] = ..., log: _Optional[_Union[LogFindings, _Mapping]] = ..., subscriptions_trouble: _Optional[str] = ...) -> None: ...

class LogFindings(_message.Message):
    __slots__ = ("lost_messages", "lost_messages_accepted", "mirrors", "unreadable_count", "unreadable", "immutable", "removal_trouble")
    LOST_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    LOST_MESSAGES_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    MIRRORS_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    IMMUTABLE_FIELD_NUMBER: _ClassVar[int]
    REMOVAL_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    lost_messages: int
    lost_messages_accepted: int
    mirrors: _containers.RepeatedScalarFieldContainer[str]
    unreadable_count: int
    unreadable: _containers.RepeatedCompositeFieldContainer[UnreadableMessage]
    immutable: bool
    removal_trouble: str
    def __init__(self, lost_messages: _Optional[int] = ..., lost_messages_accepted: _Optional[int] = ..., mirrors: _Optional[_Iterable[str]] = ..., unreadable_count: _Optional[int] = ..., unreadable: _Optional[_Iterable[_Union[UnreadableMessage, _Mapping]]] = ..., immutable: bool = ..., removal_trouble: _Optional[str] = ...) -> None: ...

class ReplicaInfo(_message.Message):
    __slots__ = ("name", "leader", "current", "offline", "lag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    leader: bool
    current: bool
    offline: bool
    lag: int
    def __init__(self, name: _Optional[str] = ..., leader: bool = ..., current: bool = ..., offline: bool = ..., lag: _Optional[int] = ...) -> None: ...

class LogReplica(_message.Message):
    __slots__ = ("position", "lag", "filled", "bytes", "trouble", "events_received")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    FILLED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    position: int
    lag: int
    filled: bool
    bytes: int
    trouble: str
    events_received: int
    def __init__(self, position: _Optional[int] = ..., lag: _Optional[int] = ..., filled: bool = ..., bytes: _Optional[int] = ..., trouble: _Optional[str] = ..., events_received: _Optional[int] = ...) -> None: ...

class ServerLimits(_message.Message):
    __slots__ = ("append_events_max", "append_bytes_max", "event_bytes_max", "transaction_streams_max", "transaction_checks_max", "session_appends_max", "session_bytes_max", "session_message_appends_max", "append_timeout", "request_bytes_max", "request_metadata_bytes_max", "page_bytes_max", "heartbeat_interval_min", "heartbeat_interval_max", "read_bytes_per_second_min", "read_stall_timeout", "connection_appends_max", "connection_sessions_max", "connection_reads_max", "connection_subscriptions_max", "connection_members_max", "group_members_max", "member_in_flight_max", "groups_max", "erase_events_max")
    APPEND_EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    APPEND_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    EVENT_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_STREAMS_MAX_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_CHECKS_MAX_FIELD_NUMBER: _ClassVar[int]
    SESSION_APPENDS_MAX_FIELD_NUMBER: _ClassVar[int]
    SESSION_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    SESSION_MESSAGE_APPENDS_MAX_FIELD_NUMBER: _ClassVar[int]
    APPEND_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    REQUEST_METADATA_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    PAGE_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MIN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MAX_FIELD_NUMBER: _ClassVar[int]
    READ_BYTES_PER_SECOND_MIN_FIELD_NUMBER: _ClassVar[int]
    READ_STALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_APPENDS_MAX_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SESSIONS_MAX_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_READS_MAX_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SUBSCRIPTIONS_MAX_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_MEMBERS_MAX_FIELD_NUMBER: _ClassVar[int]
    GROUP_MEMBERS_MAX_FIELD_NUMBER: _ClassVar[int]
    MEMBER_IN_FLIGHT_MAX_FIELD_NUMBER: _ClassVar[int]
    GROUPS_MAX_FIELD_NUMBER: _ClassVar[int]
    ERASE_EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    append_events_max: int
    append_bytes_max: int
    event_bytes_max: int
    transaction_streams_max: int
    transaction_checks_max: int
    session_appends_max: int
    session_bytes_max: int
    session_message_appends_max: int
    append_timeout: _duration_pb2.Duration
    request_bytes_max: int
    request_metadata_bytes_max: int
    page_bytes_max: int
    heartbeat_interval_min: _duration_pb2.Duration
    heartbeat_interval_max: _duration_pb2.Duration
    read_bytes_per_second_min: int
    read_stall_timeout: _duration_pb2.Duration
    connection_appends_max: int
    connection_sessions_max: int
    connection_reads_max: int
    connection_subscriptions_max: int
    connection_members_max: int
    group_members_max: int
    member_in_flight_max: int
    groups_max: int
    erase_events_max: int
    def __init__(self, append_events_max: _Optional[int] = ..., append_bytes_max: _Optional[int] = ..., event_bytes_max: _Optional[int] = ..., transaction_streams_max: _Optional[int] = ..., transaction_checks_max: _Optional[int] = ..., session_appends_max: _Optional[int] = ..., session_bytes_max: _Optional[int] = ..., session_message_appends_max: _Optional[int] = ..., append_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_bytes_max: _Optional[int] = ..., request_metadata_bytes_max: _Optional[int] = ..., page_bytes_max: _Optional[int] = ..., heartbeat_interval_min: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat_interval_max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., read_bytes_per_second_min: _Optional[int] = ..., read_stall_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., connection_appends_max: _Optional[int] = ..., connection_sessions_max: _Optional[int] = ..., connection_reads_max: _Optional[int] = ..., connection_subscriptions_max: _Optional[int] = ..., connection_members_max: _Optional[int] = ..., group_members_max: _Optional[int] = ..., member_in_flight_max: _Optional[int] = ..., groups_max: _Optional[int] = ..., erase_events_max: _Optional[int] = ...) -> None: ...
