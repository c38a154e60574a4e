import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from . import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GroupSettings(_message.Message):
    __slots__ = ("patterns", "event_types", "event_type_prefixes", "lanes", "attempts_max", "backoff_min", "backoff_max", "ack_timeout", "handover_timeout", "parked_max", "park_following", "skip_unreadable", "query")
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_MAX_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_MIN_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_MAX_FIELD_NUMBER: _ClassVar[int]
    ACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    HANDOVER_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PARKED_MAX_FIELD_NUMBER: _ClassVar[int]
    PARK_FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    SKIP_UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    patterns: _containers.RepeatedScalarFieldContainer[str]
    event_types: _containers.RepeatedScalarFieldContainer[str]
    event_type_prefixes: _containers.RepeatedScalarFieldContainer[str]
    lanes: int
    attempts_max: int
    backoff_min: _duration_pb2.Duration
    backoff_max: _duration_pb2.Duration
    ack_timeout: _duration_pb2.Duration
    handover_timeout: _duration_pb2.Duration
    parked_max: int
    park_following: bool
    skip_unreadable: bool
    query: _event_pb2.Query
    def __init__(self, patterns: _Optional[_Iterable[str]] = ..., event_types: _Optional[_Iterable[str]] = ..., event_type_prefixes: _Optional[_Iterable[str]] = ..., lanes: _Optional[int] = ..., attempts_max: _Optional[int] = ..., backoff_min: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backoff_max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ack_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., handover_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., parked_max: _Optional[int] = ..., park_following: bool = ..., skip_unreadable: bool = ..., query: _Optional[_Union[_event_pb2.Query, _Mapping]] = ...) -> None: ...

class GroupStart(_message.Message):
    __slots__ = ("beginning", "end", "after_position", "from_time")
    BEGINNING_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    beginning: bool
    end: bool
    after_position: int
    from_time: _timestamp_pb2.Timestamp
    def __init__(self, beginning: bool = ..., end: bool = ..., after_position: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateGroupRequest(_message.Message):
    __slots__ = ("group", "settings", "start")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    group: str
    settings: GroupSettings
    start: GroupStart
    def __init__(self, group: _Optional[str] = ..., settings: _Optional[_Union[GroupSettings, _Mapping]] = ..., start: _Optional[_Union[GroupStart, _Mapping]] = ...) -> None: ...

class CreateGroupResponse(_message.Message):
    __slots__ = ("group", "created")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    group: Group
    created: bool
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ..., created: bool = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("name", "settings", "start_position", "revision", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: GroupSettings
    start_position: int
    revision: int
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Union[GroupSettings, _Mapping]] = ..., start_position: _Optional[int] = ..., revision: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UpdateGroupRequest(_message.Message):
    __slots__ = ("group", "settings", "revision")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    group: str
    settings: GroupSettings
    revision: int
    def __init__(self, group: _Optional[str] = ..., settings: _Optional[_Union[GroupSettings, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class UpdateGroupResponse(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: Group
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class DeleteGroupRequest(_message.Message):
    __slots__ = ("group", "force")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    group: str
    force: bool
    def __init__(self, group: _Optional[str] = ..., force: bool = ...) -> None: ...

class DeleteGroupResponse(_message.Message):
    __slots__ = ("existed",)
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    existed: bool
    def __init__(self, existed: bool = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("after", "max_count")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    after: str
    max_count: int
    def __init__(self, after: _Optional[str] = ..., max_count: _Optional[int] = ...) -> None: ...

class ListGroupsResponse(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    def __init__(self, groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ...) -> None: ...

class GetGroupRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class GetGroupResponse(_message.Message):
    __slots__ = ("group", "lanes", "members", "parked_count", "head_position")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PARKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    HEAD_POSITION_FIELD_NUMBER: _ClassVar[int]
    group: Group
    lanes: _containers.RepeatedCompositeFieldContainer[Lane]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    parked_count: int
    head_position: int
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ..., lanes: _Optional[_Iterable[_Union[Lane, _Mapping]]] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., parked_count: _Optional[int] = ..., head_position: _Optional[int] = ...) -> None: ...

class Lane(_message.Message):
    __slots__ = ("number", "member", "floor_position", "cursor_position", "lag", "oldest_time", "streams_waiting")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    FLOOR_POSITION_FIELD_NUMBER: _ClassVar[int]
    CURSOR_POSITION_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    OLDEST_TIME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_WAITING_FIELD_NUMBER: _ClassVar[int]
    number: int
    member: str
    floor_position: int
    cursor_position: int
    lag: int
    oldest_time: _timestamp_pb2.Timestamp
    streams_waiting: int
    def __init__(self, number: _Optional[int] = ..., member: _Optional[str] = ..., floor_position: _Optional[int] = ..., cursor_position: _Optional[int] = ..., lag: _Optional[int] = ..., oldest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., streams_waiting: _Optional[int] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("id", "lanes", "max_in_flight", "gateway")
    ID_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    id: str
    lanes: _containers.RepeatedScalarFieldContainer[int]
    max_in_flight: int
    gateway: str
    def __init__(self, id: _Optional[str] = ..., lanes: _Optional[_Iterable[int]] = ..., max_in_flight: _Optional[int] = ..., gateway: _Optional[str] = ...) -> None: ...

class ResetGroupRequest(_message.Message):
    __slots__ = ("group", "to", "force")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    group: str
    to: GroupStart
    force: bool
    def __init__(self, group: _Optional[str] = ..., to: _Optional[_Union[GroupStart, _Mapping]] = ..., force: bool = ...) -> None: ...

class ResetGroupResponse(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: Group
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class ConsumeRequest(_message.Message):
    __slots__ = ("join", "ack", "retry", "park", "skip", "extend", "leave")
    JOIN_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    PARK_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    EXTEND_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    join: Join
    ack: Ack
    retry: Retry
    park: Park
    skip: Skip
    extend: Extend
    leave: Leave
    def __init__(self, join: _Optional[_Union[Join, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., retry: _Optional[_Union[Retry, _Mapping]] = ..., park: _Optional[_Union[Park, _Mapping]] = ..., skip: _Optional[_Union[Skip, _Mapping]] = ..., extend: _Optional[_Union[Extend, _Mapping]] = ..., leave: _Optional[_Union[Leave, _Mapping]] = ...) -> None: ...

class Join(_message.Message):
    __slots__ = ("group", "member", "max_in_flight", "heartbeat_interval")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    group: str
    member: str
    max_in_flight: int
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, group: _Optional[str] = ..., member: _Optional[str] = ..., max_in_flight: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, deliveries: _Optional[_Iterable[int]] = ...) -> None: ...

class Retry(_message.Message):
    __slots__ = ("delivery", "handled", "delay", "reason")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    HANDLED_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    delivery: int
    handled: int
    delay: _duration_pb2.Duration
    reason: str
    def __init__(self, delivery: _Optional[int] = ..., handled: _Optional[int] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Park(_message.Message):
    __slots__ = ("delivery", "handled", "reason")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    HANDLED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    delivery: int
    handled: int
    reason: str
    def __init__(self, delivery: _Optional[int] = ..., handled: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Skip(_message.Message):
    __slots__ = ("delivery", "handled")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    HANDLED_FIELD_NUMBER: _ClassVar[int]
    delivery: int
    handled: int
    def __init__(self, delivery: _Optional[int] = ..., handled: _Optional[int] = ...) -> None: ...

class Extend(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, deliveries: _Optional[_Iterable[int]] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConsumeResponse(_message.Message):
    __slots__ = ("deliveries", "joined", "assigned", "revoked", "refused", "caught_up", "heartbeat", "draining")
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[Delivery]
    joined: Joined
    assigned: Assigned
    revoked: Revoked
    refused: Refused
    caught_up: GroupCaughtUp
    heartbeat: GroupHeartbeat
    draining: GroupDraining
    def __init__(self, deliveries: _Optional[_Iterable[_Union[Delivery, _Mapping]]] = ..., joined: _Optional[_Union[Joined, _Mapping]] = ..., assigned: _Optional[_Union[Assigned, _Mapping]] = ..., revoked: _Optional[_Union[Revoked, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ..., caught_up: _Optional[_Union[GroupCaughtUp, _Mapping]] = ..., heartbeat: _Optional[_Union[GroupHeartbeat, _Mapping]] = ..., draining: _Optional[_Union[GroupDraining, _Mapping]] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("member", "store_id", "settings")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    member: str
    store_id: str
    settings: GroupSettings
    def __init__(self, member: _Optional[str] = ..., store_id: _Optional[str] = ..., settings: _Optional[_Union[GroupSettings, _Mapping]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("events", "id", "lane", "attempt", "redelivered", "replayed")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REDELIVERED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RecordedEvent]
    id: int
    lane: int
    attempt: int
    redelivered: bool
    replayed: bool
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RecordedEvent, _Mapping]]] = ..., id: _Optional[int] = ..., lane: _Optional[int] = ..., attempt: _Optional[int] = ..., redelivered: bool = ..., replayed: bool = ...) -> None: ...

class Assigned(_message.Message):
    __slots__ = ("lanes",)
    LANES_FIELD_NUMBER: _ClassVar[int]
    lanes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, lanes: _Optional[_Iterable[int]] = ...) -> None: ...

class Revoked(_message.Message):
    __slots__ = ("lanes", "timeout")
    LANES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    lanes: _containers.RepeatedScalarFieldContainer[int]
    timeout: _duration_pb2.Duration
    def __init__(self, lanes: _Optional[_Iterable[int]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("delivery", "error")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    delivery: int
    error: _status_pb2.Status
    def __init__(self, delivery: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class GroupCaughtUp(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GroupHeartbeat(_message.Message):
    __slots__ = ("head_position",)
    HEAD_POSITION_FIELD_NUMBER: _ClassVar[int]
    head_position: int
    def __init__(self, head_position: _Optional[int] = ...) -> None: ...

class GroupDraining(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListParkedRequest(_message.Message):
    __slots__ = ("group", "stream", "max_count", "with_events")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    WITH_EVENTS_FIELD_NUMBER: _ClassVar[int]
    group: str
    stream: str
    max_count: int
    with_events: bool
    def __init__(self, group: _Optional[str] = ..., stream: _Optional[str] = ..., max_count: _Optional[int] = ..., with_events: bool = ...) -> None: ...

class ListParkedResponse(_message.Message):
    __slots__ = ("parked",)
    PARKED_FIELD_NUMBER: _ClassVar[int]
    parked: _containers.RepeatedCompositeFieldContainer[ParkedEvent]
    def __init__(self, parked: _Optional[_Iterable[_Union[ParkedEvent, _Mapping]]] = ...) -> None: ...

class ParkedEvent(_message.Message):
    __slots__ = ("stream", "version", "position", "event_id", "type", "reason", "attempts", "park_time", "following", "replaying", "event")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PARK_TIME_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    REPLAYING_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    stream: str
    version: int
    position: int
    event_id: str
    type: str
    reason: str
    attempts: int
    park_time: _timestamp_pb2.Timestamp
    following: bool
    replaying: bool
    event: _event_pb2.RecordedEvent
    def __init__(self, stream: _Optional[str] = ..., version: _Optional[int] = ..., position: _Optional[int] = ..., event_id: _Optional[str] = ..., type: _Optional[str] = ..., reason: _Optional[str] = ..., attempts: _Optional[int] = ..., park_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., following: bool = ..., replaying: bool = ..., event: _Optional[_Union[_event_pb2.RecordedEvent, _Mapping]] = ...) -> None: ...

class ReplayParkedRequest(_message.Message):
    __slots__ = ("group", "stream", "version")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    group: str
    stream: str
    version: int
    def __init__(self, group: _Optional[str] = ..., stream: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ReplayParkedResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class DropParkedRequest(_message.Message):
    __slots__ = ("group", "stream", "version", "all")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    group: str
    stream: str
    version: int
    all: bool
    def __init__(self, group: _Optional[str] = ..., stream: _Optional[str] = ..., version: _Optional[int] = ..., all: bool = ...) -> None: ...

class DropParkedResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...
