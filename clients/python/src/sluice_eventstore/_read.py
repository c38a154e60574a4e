"""Reads: complete, or they fail."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Generic, TypeVar

from . import _options as options_
from . import errors
from ._calls import Core
from ._cursor import Cursor
from ._events import (
    CorrelationHead,
    RecordedEvent,
    StoreHead,
    StreamHead,
    StreamSummary,
    UnreadableMessage,
    to_head,
    to_recorded,
    to_summary,
)
from .v1 import event_store_service_pb2 as store_pb2

T = TypeVar("T")
Head = TypeVar("Head")

_DIRECTIONS = {"forward": store_pb2.DIRECTION_FORWARD, "backward": store_pb2.DIRECTION_BACKWARD}


class AsyncLoop(Generic[T]):
    """Items that come in pages. Each loop over it makes its own call, which ends when the loop is left."""

    def pages(self) -> AsyncGenerator[Any, None]:
        """The responses of a call."""
        raise NotImplementedError

    def take(self, page: Any) -> Iterator[T]:
        """The items of a response."""
        raise NotImplementedError

    def finish(self) -> None:
        """After the last response."""

    async def __aiter__(self) -> AsyncIterator[T]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in self.take(page):
                    yield item
        self.finish()


class AsyncRead(AsyncLoop[RecordedEvent], Generic[Head]):
    """The events of a read. It ends by itself only after the last event."""

    def __init__(self, open: Callable[[], Any], to_head: Callable[[Any], Head], on_unreadable: Any = None) -> None:
        self._open = open
        self._to_head = to_head
        self._on_unreadable = on_unreadable
        self._head: Head | None = None
        self._count = 0
        self._end: store_pb2.ReadEnd | None = None

    @property
    def head(self) -> Head:
        """What the read covers. Raises a RuntimeError until the loop has its first event or has ended."""
        if self._head is None:
            raise RuntimeError("the head of a read is known when the loop has its first event or has ended")
        return self._head

    async def pages(self) -> AsyncGenerator[Any, None]:
        self._head, self._count, self._end = None, 0, None
        async with aclosing(self._open()) as pages:
            async for page in pages:
                yield page

    def take(self, page: Any) -> Iterator[RecordedEvent]:
        if page.HasField("header"):
            self._head = self._to_head(page.header)
        if self._head is None:
            raise _incomplete("it has no header")
        for event in page.events:
            self._on_event(event.position)
            yield to_recorded(event)
        report_unreadable(page, self._on_unreadable)
        self._on_page(page)
        self._count += len(page.events)
        self._end = page.end if page.HasField("end") else None

    def finish(self) -> None:
        if self._end is None:
            raise _incomplete(f"it ended after {self._count} events without its end message")
        if self._end.event_count != self._count:
            raise _incomplete(f"{self._count} events arrived, {self._end.event_count} were announced")

    def _on_event(self, position: int) -> None:
        """For reads with a cursor."""

    def _on_page(self, page: Any) -> None:
        """For reads with a cursor."""


class AsyncAllRead(AsyncRead[StoreHead]):
    """A read of the whole store, or of a part of it."""

    def __init__(self, core: Core, request: store_pb2.ReadAllRequest, options: options_.ReadAllOptions) -> None:
        method = "EventStoreService/ReadAll"
        response = store_pb2.ReadAllResponse

        def open() -> Any:
            self._cursor = Cursor(options.get("after"))
            return core.stream(method, request, response, options.get("timeout"))

        def to_head(header: store_pb2.ReadAllHeader) -> StoreHead:
            self._cursor.store_id = header.store_id or self._cursor.store_id
            return StoreHead(header.position, header.store_id)

        super().__init__(open, to_head, options.get("on_unreadable"))
        self._cursor = Cursor(options.get("after"))

    @property
    def cursor(self) -> str | None:
        """Where the loop is, after its last event: for `after` of a later read. Before that, the start."""
        return self._cursor.text

    def _on_event(self, position: int) -> None:
        self._cursor.on_event(position)

    def _on_page(self, page: Any) -> None:
        if page.HasField("position"):
            self._cursor.on_position(page.position)


class AsyncListing(AsyncLoop[T]):
    """The items of a call that lists."""

    def __init__(
        self,
        call: Callable[[], AsyncGenerator[Any, None]],
        items: Callable[[Any], Iterable[T]],
    ) -> None:
        self._call = call
        self._items = items

    def pages(self) -> AsyncGenerator[Any, None]:
        return self._call()

    def take(self, page: Any) -> Iterator[T]:
        return iter(self._items(page))


def list_streams(core: Core, options: options_.ListStreamsOptions) -> AsyncListing[StreamSummary]:
    fields: dict[str, Any] = {key: value for key, value in options.items() if key != "timeout"}
    request = store_pb2.ListStreamsRequest(**fields)
    response = store_pb2.ListStreamsResponse
    return AsyncListing(
        lambda: core.stream("EventStoreService/ListStreams", request, response, options.get("timeout")),
        lambda page: map(to_summary, page.streams),
    )


def read_stream(core: Core, stream: str, options: options_.ReadStreamOptions) -> AsyncRead[StreamHead]:
    any_replica = options.get("any_replica", False)
    request = store_pb2.ReadStreamRequest(
        stream=stream,
        from_version=options.get("from_version", 0),
        to_version=options.get("to_version", 0),
        consistency=store_pb2.CONSISTENCY_ANY_REPLICA if any_replica else store_pb2.CONSISTENCY_LEADER,
        **_range_fields(options),
    )
    method = "EventStoreService/ReadStream"
    response = store_pb2.ReadStreamResponse
    return AsyncRead(lambda: core.stream(method, request, response, options.get("timeout")), to_head)


def read_by_correlation(
    core: Core, correlation_id: str, options: options_.ReadByCorrelationOptions
) -> AsyncRead[CorrelationHead]:
    on_unreadable = options.get("on_unreadable")
    request = store_pb2.ReadByCorrelationRequest(
        correlation_id=correlation_id, skip_unreadable=on_unreadable is not None, **_read_fields(options)
    )

    def to_head(header: store_pb2.ReadByCorrelationHeader) -> CorrelationHead:
        return CorrelationHead(header.position, header.limited_to_grants)

    method = "EventStoreService/ReadByCorrelation"
    response = store_pb2.ReadByCorrelationResponse
    return AsyncRead(lambda: core.stream(method, request, response, options.get("timeout")), to_head, on_unreadable)


def read_all(core: Core, options: options_.ReadAllOptions) -> AsyncAllRead:
    start = Cursor(options.get("after"))
    request = store_pb2.ReadAllRequest(
        patterns=options.get("patterns", ()),
        event_type_prefixes=options.get("event_type_prefixes", ()),
        query=options.get("query"),
        permitted_only=options.get("permitted_only", False),
        after_position=start.position,
        after_count=start.count,
        store_id=start.store_id,
        to_position=options.get("to_position", 0),
        skip_unreadable=options.get("on_unreadable") is not None,
        **_range_fields(options),
    )
    return AsyncAllRead(core, request, options)


def _read_fields(options: options_.ReadOptions) -> dict[str, Any]:
    return {"max_count": options.get("max_count", 0), "event_types": options.get("event_types", ())}


def _range_fields(options: options_.RangeOptions) -> dict[str, Any]:
    direction = options.get("direction", "forward")
    if direction not in _DIRECTIONS:
        raise ValueError(f"direction must be forward or backward; found {direction!r}")
    times = {"from_time": aware(options.get("from_time")), "to_time": aware(options.get("to_time"))}
    return {**_read_fields(options), "direction": _DIRECTIONS[direction], **times}


def aware(time: datetime | None) -> datetime | None:
    """A time without a zone means another moment on each machine."""
    if time is not None and time.utcoffset() is None:
        raise ValueError(f"a time must have a time zone; found {time!r}")
    return time


def report_unreadable(page: Any, report: Callable[[UnreadableMessage], object] | None) -> None:
    if report is not None:
        for one in page.unreadable:
            report(UnreadableMessage(one.position, one.stream, one.reason))


def _incomplete(what: str) -> errors.IncompleteReadError:
    return errors.IncompleteReadError(f"the read is not complete: {what}")
