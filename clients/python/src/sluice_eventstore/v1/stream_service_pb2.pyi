import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import event_store_service_pb2 as _event_store_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Retention(_message.Message):
    __slots__ = ("max_count", "max_age")
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    max_count: int
    max_age: _duration_pb2.Duration
    def __init__(self, max_count: _Optional[int] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StreamDescription(_message.Message):
    __slots__ = ("stream", "state", "version", "first_version", "position", "commit_time", "truncated_before", "retention", "control_position", "erased")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    CONTROL_POSITION_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    stream: str
    state: _event_store_service_pb2.StreamState
    version: int
    first_version: int
    position: int
    commit_time: _timestamp_pb2.Timestamp
    truncated_before: int
    retention: Retention
    control_position: int
    erased: _containers.RepeatedCompositeFieldContainer[ErasedRange]
    def __init__(self, stream: _Optional[str] = ..., state: _Optional[_Union[_event_store_service_pb2.StreamState, str]] = ..., version: _Optional[int] = ..., first_version: _Optional[int] = ..., position: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., truncated_before: _Optional[int] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ..., control_position: _Optional[int] = ..., erased: _Optional[_Iterable[_Union[ErasedRange, _Mapping]]] = ...) -> None: ...

class ErasedRange(_message.Message):
    __slots__ = ("from_version", "to_version", "commit_time", "principal", "reason", "position")
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    from_version: int
    to_version: int
    commit_time: _timestamp_pb2.Timestamp
    principal: str
    reason: str
    position: int
    def __init__(self, from_version: _Optional[int] = ..., to_version: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., principal: _Optional[str] = ..., reason: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class GetStreamRequest(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: str
    def __init__(self, stream: _Optional[str] = ...) -> None: ...

class GetStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: StreamDescription
    def __init__(self, stream: _Optional[_Union[StreamDescription, _Mapping]] = ...) -> None: ...

class TruncateStreamRequest(_message.Message):
    __slots__ = ("stream", "before_version", "expected_version", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    BEFORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    before_version: int
    expected_version: int
    commit_id: str
    def __init__(self, stream: _Optional[str] = ..., before_version: _Optional[int] = ..., expected_version: _Optional[int] = ..., commit_id: _Optional[str] = ...) -> None: ...

class TruncateStreamResponse(_message.Message):
    __slots__ = ("stream", "changed", "replayed", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: StreamDescription
    changed: bool
    replayed: bool
    commit_id: str
    def __init__(self, stream: _Optional[_Union[StreamDescription, _Mapping]] = ..., changed: bool = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class SetRetentionRequest(_message.Message):
    __slots__ = ("stream", "retention", "expected_version", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    retention: Retention
    expected_version: int
    commit_id: str
    def __init__(self, stream: _Optional[str] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ..., expected_version: _Optional[int] = ..., commit_id: _Optional[str] = ...) -> None: ...

class SetRetentionResponse(_message.Message):
    __slots__ = ("stream", "changed", "replayed", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: StreamDescription
    changed: bool
    replayed: bool
    commit_id: str
    def __init__(self, stream: _Optional[_Union[StreamDescription, _Mapping]] = ..., changed: bool = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class DeleteStreamRequest(_message.Message):
    __slots__ = ("stream", "expected_version", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    expected_version: int
    commit_id: str
    def __init__(self, stream: _Optional[str] = ..., expected_version: _Optional[int] = ..., commit_id: _Optional[str] = ...) -> None: ...

class DeleteStreamResponse(_message.Message):
    __slots__ = ("stream", "changed", "replayed", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: StreamDescription
    changed: bool
    replayed: bool
    commit_id: str
    def __init__(self, stream: _Optional[_Union[StreamDescription, _Mapping]] = ..., changed: bool = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class TombstoneStreamRequest(_message.Message):
    __slots__ = ("stream", "expected_version", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    expected_version: int
    commit_id: str
    def __init__(self, stream: _Optional[str] = ..., expected_version: _Optional[int] = ..., commit_id: _Optional[str] = ...) -> None: ...

class TombstoneStreamResponse(_message.Message):
    __slots__ = ("stream", "changed", "replayed", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: StreamDescription
    changed: bool
    replayed: bool
    commit_id: str
    def __init__(self, stream: _Optional[_Union[StreamDescription, _Mapping]] = ..., changed: bool = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class EraseEventsRequest(_message.Message):
    __slots__ = ("stream", "from_version", "to_version", "reason", "expected_version", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    from_version: int
    to_version: int
    reason: str
    expected_version: int
    commit_id: str
    def __init__(self, stream: _Optional[str] = ..., from_version: _Optional[int] = ..., to_version: _Optional[int] = ..., reason: _Optional[str] = ..., expected_version: _Optional[int] = ..., commit_id: _Optional[str] = ...) -> None: ...

class EraseEventsResponse(_message.Message):
    __slots__ = ("stream", "changed", "replayed", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: StreamDescription
    changed: bool
    replayed: bool
    commit_id: str
    def __init__(self, stream: _Optional[_Union[StreamDescription, _Mapping]] = ..., changed: bool = ..., replayed: bool = ..., commit_id: _Optional[str] = ...) -> None: ...

class ControlRecord(_message.Message):
    __slots__ = ("truncate_before", "retain", "delete", "tombstone", "erase", "first_version", "retention", "deleted", "tombstoned")
    TRUNCATE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    RETAIN_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONE_FIELD_NUMBER: _ClassVar[int]
    ERASE_FIELD_NUMBER: _ClassVar[int]
    FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONED_FIELD_NUMBER: _ClassVar[int]
    truncate_before: int
    retain: Retention
    delete: bool
    tombstone: bool
    erase: Erase
    first_version: int
    retention: Retention
    deleted: bool
    tombstoned: bool
    def __init__(self, truncate_before: _Optional[int] = ..., retain: _Optional[_Union[Retention, _Mapping]] = ..., delete: bool = ..., tombstone: bool = ..., erase: _Optional[_Union[Erase, _Mapping]] = ..., first_version: _Optional[int] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ..., deleted: bool = ..., tombstoned: bool = ...) -> None: ...

class Erase(_message.Message):
    __slots__ = ("from_version", "to_version", "reason")
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    from_version: int
    to_version: int
    reason: str
    def __init__(self, from_version: _Optional[int] = ..., to_version: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
