from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VersionConflict(_message.Message):
    __slots__ = ("stream", "expected_version", "actual_version", "must_exist")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    stream: str
    expected_version: int
    actual_version: int
    must_exist: bool
    def __init__(self, stream: _Optional[str] = ..., expected_version: _Optional[int] = ..., actual_version: _Optional[int] = ..., must_exist: bool = ...) -> None: ...

class VersionConflicts(_message.Message):
    __slots__ = ("conflicts", "count")
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    conflicts: _containers.RepeatedCompositeFieldContainer[VersionConflict]
    count: int
    def __init__(self, conflicts: _Optional[_Iterable[_Union[VersionConflict, _Mapping]]] = ..., count: _Optional[int] = ...) -> None: ...

class AppendConditionFailed(_message.Message):
    __slots__ = ("item", "position", "event_id")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    item: int
    position: int
    event_id: str
    def __init__(self, item: _Optional[int] = ..., position: _Optional[int] = ..., event_id: _Optional[str] = ...) -> None: ...

class CommitIdReuse(_message.Message):
    __slots__ = ("commit_id", "stream", "position")
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    commit_id: str
    stream: str
    position: int
    def __init__(self, commit_id: _Optional[str] = ..., stream: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class OutcomeUnknown(_message.Message):
    __slots__ = ("stream", "commit_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    commit_id: str
    def __init__(self, stream: _Optional[str] = ..., commit_id: _Optional[str] = ...) -> None: ...

class UnreadableCommit(_message.Message):
    __slots__ = ("stream", "position")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    stream: str
    position: int
    def __init__(self, stream: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class StoreMismatch(_message.Message):
    __slots__ = ("expected_store_id", "actual_store_id")
    EXPECTED_STORE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_STORE_ID_FIELD_NUMBER: _ClassVar[int]
    expected_store_id: str
    actual_store_id: str
    def __init__(self, expected_store_id: _Optional[str] = ..., actual_store_id: _Optional[str] = ...) -> None: ...
