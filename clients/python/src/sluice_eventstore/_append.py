"""Appends to one stream or several."""

from collections.abc import Sequence
from typing import Unpack

from . import _options as options_
from ._calls import Core
from ._events import (
    AppendMultiResult,
    AppendResult,
    NewEvent,
    StreamAppend,
    StreamAppended,
    to_condition,
    to_expectation,
    to_proto_events,
    to_time,
    uuid7,
)
from ._status import Commit
from .v1 import event_store_service_pb2 as store_pb2


def append_request(
    core: Core, stream: str, events: Sequence[NewEvent], conditions: options_.AppendConditions | options_.AppendOptions
) -> store_pb2.AppendRequest:
    """Raises a TypeError or a ValueError for what cannot be sent."""
    return store_pb2.AppendRequest(
        stream=stream,
        events=to_proto_events(events, core.event_trace_context),
        commit_id=conditions.get("commit_id") or uuid7(),
        with_commit_time=conditions.get("with_commit_time", False),
        condition=to_condition(conditions.get("condition")),
        validate_only=bool(conditions.get("validate_only", False)),
        **to_expectation(conditions.get("expected_version")),
    )


def requested_commit(request: store_pb2.AppendRequest) -> Commit | None:
    stores = request.events and not request.validate_only
    return Commit(request.stream, request.commit_id) if stores else None


def append_result(response: store_pb2.AppendResponse) -> AppendResult:
    time = to_time(response.commit_time) if response.HasField("commit_time") else None
    return AppendResult(
        response.version, response.first_version, response.position, response.replayed, response.commit_id, time
    )


async def append(
    core: Core, stream: str, events: Sequence[NewEvent], **options: Unpack[options_.AppendOptions]
) -> AppendResult:
    request = append_request(core, stream, events, options)
    commit = requested_commit(request)

    async def send(timeout: float) -> AppendResult:
        method = "EventStoreService/Append"
        return append_result(await core.unary(method, request, store_pb2.AppendResponse, timeout, commit))

    return await core.until_decided(options.get("timeout"), send)


async def append_multi(
    core: Core, appends: Sequence[StreamAppend], **options: Unpack[options_.AppendMultiOptions]
) -> AppendMultiResult:
    request = store_pb2.AppendMultiRequest(
        appends=[
            store_pb2.StreamAppend(
                stream=one.stream,
                events=to_proto_events(one.events, core.event_trace_context),
                **to_expectation(one.expected_version),
            )
            for one in appends
        ],
        checks=[
            store_pb2.VersionCheck(stream=one.stream, **to_expectation(one.expected_version))
            for one in options.get("checks", ())
        ],
        commit_id=options.get("commit_id") or uuid7(),
        condition=to_condition(options.get("condition")),
        validate_only=options.get("validate_only", False),
    )
    first = request.appends[0].stream if request.appends else ""
    commit = None if request.validate_only else Commit(first, request.commit_id)

    async def send(timeout: float) -> AppendMultiResult:
        method = "EventStoreService/AppendMulti"
        found = await core.unary(method, request, store_pb2.AppendMultiResponse, timeout, commit)
        streams = tuple(StreamAppended(one.stream, one.version, one.first_version) for one in found.streams)
        return AppendMultiResult(found.position, streams, found.replayed, found.commit_id)

    return await core.until_decided(options.get("timeout"), send)
