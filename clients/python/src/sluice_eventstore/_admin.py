"""Calls on streams and consumer groups as a whole. Groups are those of the contract, in `sluice_eventstore.v1`."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, Unpack

from google.protobuf.message import Message

from . import _options as options_
from ._calls import Core
from ._events import StreamState, to_time, uuid7
from ._events import _STATES as STATES
from ._read import AsyncListing
from ._status import Commit
from .errors import StreamError
from .v1 import consumer_group_service_pb2 as groups_pb2
from .v1 import stream_service_pb2 as streams_pb2

M = TypeVar("M", bound=Message)

_ERASE_EVENTS_MAX = 10_000  # ServerLimits.erase_events_max; no commit has more events either
_ERASE_PIECE_EVENTS = 1_000  # the first try for a piece of a longer range, which mostly has to grow by a part of a commit


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What a stream is now. `commit_time` is that of its last commit, controls included."""

    stream: str
    state: StreamState
    version: int
    """The version of its last event, hidden or not."""
    first_version: int
    """The first version that can be read; `version` + 1 if none can."""
    position: int
    truncated_before: int
    """`truncate`, `delete` or `tombstone` has hidden the events before this version; 1: none."""
    max_count: int | None
    """Retention: at most this many of its newest events; None: no bound."""
    max_age: timedelta | None
    control_position: int
    """The position of its last control; 0: it never had one."""
    commit_time: datetime


@dataclass(frozen=True, slots=True)
class StreamChange:
    """What a change of a stream did."""

    stream: StreamDescription
    changed: bool
    """False: the stream was like this already, and nothing was stored."""
    replayed: bool
    commit_id: str


def _description(one: streams_pb2.StreamDescription) -> StreamDescription:
    retention = one.retention
    return StreamDescription(
        one.stream,
        STATES[one.state],
        one.version,
        one.first_version,
        one.position,
        one.truncated_before,
        retention.max_count or None,
        retention.max_age.ToTimedelta() if retention.HasField("max_age") else None,
        one.control_position,
        to_time(one.commit_time),
    )


class AsyncStreams:
    """
    Ends streams, or their beginnings; docs/streams.md explains how. Changes are sent again like appends. Every method raises a
    StreamError whose code is STREAM_NOT_FOUND for a stream that never had an event.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get(self, stream: str, **options: Unpack[options_.CallOptions]) -> StreamDescription:
        """What the stream is now, as the leader of the store knows it."""
        request = streams_pb2.GetStreamRequest(stream=stream)
        response = streams_pb2.GetStreamResponse
        found = await self._core.unary("StreamService/GetStream", request, response, options.get("timeout"))
        return _description(found.stream)

    async def truncate(
        self, stream: str, before_version: int, **options: Unpack[options_.ChangeOptions]
    ) -> StreamChange:
        """Hides the events before a version. What is hidden stays hidden: a lower version than before changes nothing."""
        request = streams_pb2.TruncateStreamRequest(before_version=before_version, **_change_fields(stream, options))
        return await self._change("TruncateStream", request, streams_pb2.TruncateStreamResponse, options)

    async def set_retention(
        self,
        stream: str,
        max_count: int | None = None,
        max_age: timedelta | None = None,
        **options: Unpack[options_.ChangeOptions],
    ) -> StreamChange:
        """Sets what can be read of the stream from now on, in place of its former retention; without bounds, everything."""
        retention = streams_pb2.Retention(max_count=max_count, max_age=max_age)
        request = streams_pb2.SetRetentionRequest(retention=retention, **_change_fields(stream, options))
        return await self._change("SetRetention", request, streams_pb2.SetRetentionResponse, options)

    async def delete(self, stream: str, **options: Unpack[options_.ChangeOptions]) -> StreamChange:
        """Hides all events. The next append goes on with the next version, and the stream then begins there."""
        request = streams_pb2.DeleteStreamRequest(**_change_fields(stream, options))
        return await self._change("DeleteStream", request, streams_pb2.DeleteStreamResponse, options)

    async def tombstone(self, stream: str, **options: Unpack[options_.ChangeOptions]) -> StreamChange:
        """Deletes the stream for ever: every later append fails with STREAM_TOMBSTONED. It cannot be undone."""
        request = streams_pb2.TombstoneStreamRequest(**_change_fields(stream, options))
        return await self._change("TombstoneStream", request, streams_pb2.TombstoneStreamResponse, options)

    async def erase(
        self, stream: str, from_version: int, to_version: int, reason: str, **options: Unpack[options_.ChangeOptions]
    ) -> StreamChange:
        """
        Overwrites the contents of events for ever, from one version to another one, in whole commits. A reader then gets them
        with `erased`, without payload, metadata, tags and ids of others. `reason` is kept with it. The code of a StreamError may
        be ERASE_SPLITS_COMMIT, VERSION_BEYOND_END or STORE_IMMUTABLE.

        More than 10,000 events take several calls: then `commit_id` must be left out, and after an error the first of them may be
        erased. To repeat the whole is safe: what is erased stays so.
        """
        if to_version - from_version < _ERASE_EVENTS_MAX:
            return await self._erase_once(stream, from_version, to_version, reason, options)
        if options.get("commit_id"):
            raise ValueError(f"commit_id is for one call, which erases at most {_ERASE_EVENTS_MAX:,} events")
        changed = False
        while True:
            end, done = await self._erase_piece(stream, from_version, to_version, reason, options)
            changed = changed or done.changed
            if end == to_version:
                return replace(done, changed=changed)
            from_version = end + 1

    async def _erase_piece(
        self, stream: str, first: int, last: int, reason: str, options: options_.ChangeOptions
    ) -> tuple[int, StreamChange]:
        """Erases the beginning of a range, up to the end of a commit, which is returned."""
        events = _ERASE_PIECE_EVENTS
        end = min(first + events - 1, last)
        while True:
            try:
                return end, await self._erase_once(stream, first, end, reason, options)
            except StreamError as error:
                commits_end = error.to_version or 0
                if error.from_version != first or not end < commits_end <= last:
                    raise
                if commits_end - first < _ERASE_EVENTS_MAX:
                    end = commits_end
                elif events == 1:
                    raise
                else:  # the last commit is a large one: it comes next, if the piece ends before it
                    events //= 2
                    end = first + events - 1

    async def _erase_once(
        self, stream: str, first: int, last: int, reason: str, options: options_.ChangeOptions
    ) -> StreamChange:
        request = streams_pb2.EraseEventsRequest(
            from_version=first, to_version=last, reason=reason, **_change_fields(stream, options)
        )
        return await self._change("EraseEvents", request, streams_pb2.EraseEventsResponse, options)

    async def _change(
        self, method: str, request: Any, response: type[Any], options: options_.ChangeOptions
    ) -> StreamChange:
        commit = Commit(request.stream, request.commit_id)

        async def send(timeout: float) -> StreamChange:
            found = await self._core.unary(f"StreamService/{method}", request, response, timeout, commit)
            return StreamChange(_description(found.stream), found.changed, found.replayed, found.commit_id)

        return await self._core.until_decided(options.get("timeout"), send)


def _change_fields(stream: str, options: options_.ChangeOptions) -> dict[str, Any]:
    commit_id = options.get("commit_id") or uuid7()
    return {"stream": stream, "expected_version": options.get("expected_version"), "commit_id": commit_id}


class AsyncGroups:
    """Creates and changes consumer groups, and shows how far they are. Fails with a GroupError."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def create(
        self,
        group: str,
        settings: groups_pb2.GroupSettings | None = None,
        start: groups_pb2.GroupStart | None = None,
        **options: Unpack[options_.CallOptions],
    ) -> groups_pb2.CreateGroupResponse:
        """Left out: the default settings; at the beginning of the store."""
        request = groups_pb2.CreateGroupRequest(group=group, settings=settings, start=start)
        return await self._call("CreateGroup", request, groups_pb2.CreateGroupResponse, options)

    async def update(
        self,
        group: str,
        settings: groups_pb2.GroupSettings,
        revision: int = 0,
        **options: Unpack[options_.CallOptions],
    ) -> groups_pb2.Group:
        """Replaces all settings, except `lanes`. `revision`: the one that the caller has seen; 0: any."""
        request = groups_pb2.UpdateGroupRequest(group=group, settings=settings, revision=revision)
        return (await self._call("UpdateGroup", request, groups_pb2.UpdateGroupResponse, options)).group

    async def get(self, group: str, **options: Unpack[options_.CallOptions]) -> groups_pb2.GetGroupResponse:
        """The settings of the group, and how far it is."""
        request = groups_pb2.GetGroupRequest(group=group)
        return await self._call("GetGroup", request, groups_pb2.GetGroupResponse, options)

    async def reset(
        self,
        group: str,
        to: groups_pb2.GroupStart,
        force: bool = False,
        **options: Unpack[options_.CallOptions],
    ) -> groups_pb2.Group:
        """Sets the group to another place: everything after it is delivered. `force`: also with members."""
        request = groups_pb2.ResetGroupRequest(group=group, to=to, force=force)
        return (await self._call("ResetGroup", request, groups_pb2.ResetGroupResponse, options)).group

    async def delete(self, group: str, force: bool = False, **options: Unpack[options_.CallOptions]) -> bool:
        """False: there was no such group. `force`: also with members."""
        request = groups_pb2.DeleteGroupRequest(group=group, force=force)
        return (await self._call("DeleteGroup", request, groups_pb2.DeleteGroupResponse, options)).existed

    def list_parked(
        self, group: str, stream: str = "", with_events: bool = False, **options: Unpack[options_.CallOptions]
    ) -> AsyncListing[groups_pb2.ParkedEvent]:
        """The parked events of the group, or of one stream of it."""
        request = groups_pb2.ListParkedRequest(group=group, stream=stream, with_events=with_events)
        call = self._listing("ListParked", request, groups_pb2.ListParkedResponse, options)
        return AsyncListing(call, lambda page: page.parked)

    def list(self, **options: Unpack[options_.CallOptions]) -> AsyncListing[groups_pb2.Group]:
        """All groups by name that the caller may see."""
        call = self._listing("ListGroups", groups_pb2.ListGroupsRequest(), groups_pb2.ListGroupsResponse, options)
        return AsyncListing(call, lambda page: page.groups)

    async def replay_parked(
        self, group: str, stream: str = "", version: int = 0, **options: Unpack[options_.CallOptions]
    ) -> int:
        """Delivers parked events again: all, those of a stream, or one. Returns their number."""
        request = groups_pb2.ReplayParkedRequest(group=group, stream=stream, version=version)
        return (await self._call("ReplayParked", request, groups_pb2.ReplayParkedResponse, options)).count

    async def drop_parked(
        self,
        group: str,
        stream: str = "",
        version: int = 0,
        all: bool = False,
        **options: Unpack[options_.CallOptions],
    ) -> int:
        """Removes parked events for good: one, those of a stream, or, with `all`, all. Returns their number."""
        request = groups_pb2.DropParkedRequest(group=group, stream=stream, version=version, all=all)
        return (await self._call("DropParked", request, groups_pb2.DropParkedResponse, options)).count

    async def _call(self, method: str, request: Any, response: type[M], options: options_.CallOptions) -> M:
        return await self._core.unary(f"ConsumerGroupService/{method}", request, response, options.get("timeout"))

    def _listing(
        self, method: str, request: Any, response: type[Any], options: options_.CallOptions
    ) -> Callable[[], AsyncGenerator[Any, None]]:
        timeout = options.get("timeout")
        return lambda: self._core.stream(f"ConsumerGroupService/{method}", request, response, timeout)
