"""
The client for programs without asyncio. It runs the one for asyncio in a thread that all clients of the process share: each call
waits for that thread. Its objects can be used by several threads at a time, except that one loop belongs to one thread.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar, Token
from datetime import datetime, timedelta
from typing import Any, Generic, Self, TypeVar, Unpack

import grpc

from . import _options as options_
from . import _status, errors
from ._admin import StreamChange, StreamDescription
from ._aio import AsyncClient
from ._consume import AsyncConsumer, HandlerContext
from ._events import (
    AppendMultiResult,
    AppendResult,
    CorrelationHead,
    FoundCommit,
    NewEvent,
    RecordedEvent,
    StoreHead,
    StreamAppend,
    StreamHead,
    StreamSummary,
)
from ._read import AsyncAllRead, AsyncLoop, AsyncRead
from ._session import AsyncAppendSession
from ._subscribe import AsyncSubscription
from .v1 import consumer_group_service_pb2 as groups_pb2
from .v1 import event_store_service_pb2 as store_pb2

T = TypeVar("T")
Head = TypeVar("Head")

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _background() -> asyncio.AbstractEventLoop:
    """The loop of the thread, which ends with the process."""
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="sluice_eventstore", daemon=True).start()
        return _loop


class CancelScope:
    """
    Lets another thread end the calls of a thread:

        with CancelScope() as scope:  # scope.cancel() is for any other thread, and for signal handlers
            client.append(...)

    The call that is under way then fails with CallCancelledError, and may have been stored if it is an append; later ones within the
    scope fail too, and are not sent. A scope is for one thread.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self._pending: concurrent.futures.Future[Any] | None = None
        self._outside: Token[tuple[CancelScope, ...]] | None = None

    def cancel(self) -> None:
        """Ends what is under way. A second time it does nothing."""
        self.cancelled = True
        if self._pending is not None:
            self._pending.cancel()

    def __enter__(self) -> Self:
        self._outside = _scopes.set((*_scopes.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        if self._outside is not None:
            _scopes.reset(self._outside)

    def _watch(self, future: concurrent.futures.Future[Any]) -> None:
        self._pending = future
        if self.cancelled:
            future.cancel()


_scopes: ContextVar[tuple[CancelScope, ...]] = ContextVar("sluice_eventstore_scopes", default=())


def _raise_if_cancelled() -> None:
    if any(scope.cancelled for scope in _scopes.get()):
        message = "the scope of the call was cancelled"
        raise _status.to_error(_status.Failure(grpc.StatusCode.CANCELLED, message, was_sent=False)) from None


def _run(work: Coroutine[Any, Any, T]) -> T:
    return _result(_begin(work))


def _begin(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """In the context of the caller, so that spans are below its own."""
    try:
        _raise_if_cancelled()
    except errors.SluiceError:
        work.close()
        raise
    return asyncio.run_coroutine_threadsafe(work, _background())


def _result(future: concurrent.futures.Future[T]) -> T:
    """An interrupt cancels what is waited for, and so do the scopes of the thread."""
    for scope in _scopes.get():
        scope._watch(future)
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        _raise_if_cancelled()
        raise
    except BaseException:
        future.cancel()
        raise


async def _next(pages: Any) -> Any:
    return await anext(pages, None)


class Loop(Generic[T]):
    """Items of a call. Each loop over it makes its own call, which ends when the loop is left."""

    _stopped = False

    def __init__(self, loop: AsyncLoop[T]) -> None:
        self._async = loop
        self._pending: concurrent.futures.Future[Any] | None = None

    def __iter__(self) -> Iterator[T]:
        pages = self._async.pages()
        try:
            while (page := self._next_page(pages)) is not None:
                for item in self._async.take(page):
                    yield item
                    if self._stopped:
                        return
            self._async.finish()
        finally:
            # Without waiting: a loop that was left may be collected in any thread.
            asyncio.run_coroutine_threadsafe(pages.aclose(), _background())

    def _next_page(self, pages: Any) -> Any:
        """None: there are no more."""
        future = self._pending = _begin(_next(pages))
        if self._stopped:
            future.cancel()
        try:
            return _result(future)
        except concurrent.futures.CancelledError:
            if self._stopped:
                return None
            raise


class Read(Loop[RecordedEvent], Generic[Head]):
    """The events of a read. It ends by itself only after the last event."""

    _async: AsyncRead[Head]

    @property
    def head(self) -> Head:
        """What the read covers. Raises a RuntimeError until the loop has its first event or has ended."""
        return self._async.head


class AllRead(Read[StoreHead]):
    """A read of the whole store, or of a part of it."""

    _async: AsyncAllRead

    @property
    def cursor(self) -> str | None:
        """Where the loop is, after its last event: for `after` of a later read. Before that, the start."""
        return self._async.cursor


class Subscription(Loop[RecordedEvent]):
    """Events as they are stored, until the loop is left or `stop` is called; see AsyncSubscription."""

    _async: AsyncSubscription

    def stop(self) -> None:
        """For any thread and for signal handlers: the loop ends after the event that it has."""
        self._stopped = True
        if self._pending is not None:
            self._pending.cancel()

    @property
    def position(self) -> int | None:
        """The loop has every matching event up to this position; None before the first response."""
        return self._async.position

    @property
    def cursor(self) -> str | None:
        """Where the loop is, after its last event: what to store for `after`; None before the first response."""
        return self._async.cursor

    @property
    def lag(self) -> int | None:
        """How many positions the subscription is behind the end of the store, by the latest report."""
        return self._async.lag


class AppendSession:
    """Appends over one call, each sent without waiting for the responses to those before it; see AsyncAppendSession."""

    def __init__(self, session: AsyncAppendSession) -> None:
        self._async = session

    def append(
        self, stream: str, events: Sequence[NewEvent], **conditions: Unpack[options_.AppendConditions]
    ) -> concurrent.futures.Future[AppendResult]:
        """Waits until fewer than `pending_max` appends are pending, sends the append, and returns the future of its result."""
        return _run(self._append(stream, events, conditions))

    async def _append(
        self, stream: str, events: Sequence[NewEvent], conditions: options_.AppendConditions
    ) -> concurrent.futures.Future[AppendResult]:
        sent = await self._async.append(stream, events, **conditions)
        result: concurrent.futures.Future[AppendResult] = concurrent.futures.Future()

        def settle(done: asyncio.Future[AppendResult]) -> None:
            if not result.set_running_or_notify_cancel():
                done.exception()
            elif (error := done.exception()) is not None:
                result.set_exception(error)
            else:
                result.set_result(done.result())

        sent.add_done_callback(settle)
        return result

    def close(self) -> None:
        """Ends the session when all appends have their responses; raises the error that it ended with, if any."""
        _run(self._async.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Handler = Callable[[RecordedEvent, HandlerContext], None]


class Consumer:
    """A member of a group; see AsyncConsumer. Its handlers run in threads of their own."""

    def __init__(self, client: AsyncClient, group: str, handler: Handler, options: options_.ConsumeOptions) -> None:
        self._handler = handler
        self._async: AsyncConsumer = client.consumer(group, self._handle, **options)
        self._threads = concurrent.futures.ThreadPoolExecutor(options.get("concurrency", 1), "sluice_consumer")

    async def _handle(self, event: RecordedEvent, context: HandlerContext) -> None:
        """A thread cannot be cancelled: what is cancelled waits for its end, so that its stream gets no other one meanwhile."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._handler, event, context)
        cancelled: asyncio.CancelledError | None = None
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            running.exception()
            raise cancelled
        running.result()

    def run(self) -> None:
        """Handles events until `stop`; see AsyncConsumer."""
        try:
            _run(self._async.run())
        finally:
            self._threads.shutdown(wait=False)

    def stop(self) -> None:
        """For any thread and for signal handlers: `run` returns when the events that the member has are settled."""
        _background().call_soon_threadsafe(self._async.stop)


class Streams:
    """Ends streams, or their beginnings; see AsyncStreams."""

    def __init__(self, client: AsyncClient) -> None:
        self._async = client.streams

    def get(self, stream: str, **options: Unpack[options_.CallOptions]) -> StreamDescription:
        """What the stream is now, as the leader of the store knows it."""
        return _run(self._async.get(stream, **options))

    def truncate(self, stream: str, before_version: int, **options: Unpack[options_.ChangeOptions]) -> StreamChange:
        """Hides the events before a version. What is hidden stays hidden: a lower version than before changes nothing."""
        return _run(self._async.truncate(stream, before_version, **options))

    def set_retention(
        self,
        stream: str,
        max_count: int | None = None,
        max_age: timedelta | None = None,
        **options: Unpack[options_.ChangeOptions],
    ) -> StreamChange:
        """Sets what can be read of the stream from now on, in place of its former retention; without bounds, everything."""
        return _run(self._async.set_retention(stream, max_count, max_age, **options))

    def delete(self, stream: str, **options: Unpack[options_.ChangeOptions]) -> StreamChange:
        """Hides all events. The next append goes on with the next version, and the stream then begins there."""
        return _run(self._async.delete(stream, **options))

    def tombstone(self, stream: str, **options: Unpack[options_.ChangeOptions]) -> StreamChange:
        """Deletes the stream for ever: every later append fails with STREAM_TOMBSTONED. It cannot be undone."""
        return _run(self._async.tombstone(stream, **options))

    def erase(
        self, stream: str, from_version: int, to_version: int, reason: str, **options: Unpack[options_.ChangeOptions]
    ) -> StreamChange:
        """
        Overwrites the contents of events for ever, from one version to another one, in whole commits. A reader then gets them
        with `erased`, without payload, metadata, tags and ids of others. `reason` is kept with it. More than 10,000 events take
        several calls, see AsyncStreams.
        """
        return _run(self._async.erase(stream, from_version, to_version, reason, **options))


class Groups:
    """Creates and changes consumer groups, and shows how far they are; see AsyncGroups."""

    def __init__(self, client: AsyncClient) -> None:
        self._async = client.groups

    def create(
        self,
        group: str,
        settings: groups_pb2.GroupSettings | None = None,
        start: groups_pb2.GroupStart | None = None,
        **options: Unpack[options_.CallOptions],
    ) -> groups_pb2.CreateGroupResponse:
        """Left out: the default settings; at the beginning of the store."""
        return _run(self._async.create(group, settings, start, **options))

    def update(
        self,
        group: str,
        settings: groups_pb2.GroupSettings,
        revision: int = 0,
        **options: Unpack[options_.CallOptions],
    ) -> groups_pb2.Group:
        """Replaces all settings, except `lanes`. `revision`: the one that the caller has seen; 0: any."""
        return _run(self._async.update(group, settings, revision, **options))

    def get(self, group: str, **options: Unpack[options_.CallOptions]) -> groups_pb2.GetGroupResponse:
        """The settings of the group, and how far it is."""
        return _run(self._async.get(group, **options))

    def reset(
        self, group: str, to: groups_pb2.GroupStart, force: bool = False, **options: Unpack[options_.CallOptions]
    ) -> groups_pb2.Group:
        """Sets the group to another place: everything after it is delivered. `force`: also with members."""
        return _run(self._async.reset(group, to, force, **options))

    def delete(self, group: str, force: bool = False, **options: Unpack[options_.CallOptions]) -> bool:
        """False: there was no such group. `force`: also with members."""
        return _run(self._async.delete(group, force, **options))

    def list_parked(
        self, group: str, stream: str = "", with_events: bool = False, **options: Unpack[options_.CallOptions]
    ) -> Loop[groups_pb2.ParkedEvent]:
        """The parked events of the group, or of one stream of it."""
        return Loop(self._async.list_parked(group, stream, with_events, **options))

    def replay_parked(
        self, group: str, stream: str = "", version: int = 0, **options: Unpack[options_.CallOptions]
    ) -> int:
        """Delivers parked events again: all, those of a stream, or one. Returns their number."""
        return _run(self._async.replay_parked(group, stream, version, **options))

    def drop_parked(
        self,
        group: str,
        stream: str = "",
        version: int = 0,
        all: bool = False,
        **options: Unpack[options_.CallOptions],
    ) -> int:
        """Removes parked events for good: one, those of a stream, or, with `all`, all. Returns their number."""
        return _run(self._async.drop_parked(group, stream, version, all, **options))

    def list(self, **options: Unpack[options_.CallOptions]) -> Loop[groups_pb2.Group]:
        """All groups by name that the caller may see."""
        return Loop(self._async.list(**options))


class Client:
    """
    A client of one gateway or several, for any number of threads; AsyncClient describes its methods. Callbacks about connections
    are called in the thread of the client. A process that forks connects afterwards.
    """

    streams: Streams
    """Describes streams, and hides their events: all of them, or those before a version or an age."""
    groups: Groups
    """Creates and changes consumer groups, and shows how far they are."""

    def __init__(self, addresses: str | Sequence[str], **options: Unpack[options_.ConnectOptions]) -> None:
        self._async = AsyncClient(addresses, **options)
        self.streams = Streams(self._async)
        self.groups = Groups(self._async)

    def append(
        self, stream: str, events: Sequence[NewEvent], **options: Unpack[options_.AppendOptions]
    ) -> AppendResult:
        """Appends events to a stream as one commit: all of them are stored, or none."""
        return _run(self._async.append(stream, events, **options))

    def append_multi(
        self, appends: Sequence[StreamAppend], **options: Unpack[options_.AppendMultiOptions]
    ) -> AppendMultiResult:
        """Appends events to several streams in one transaction: all of them are stored, or none."""
        return _run(self._async.append_multi(appends, **options))

    def append_session(self, **options: Unpack[options_.SessionOptions]) -> AppendSession:
        """Opens a session, whose appends do not wait for the responses to earlier ones."""

        async def open() -> AppendSession:
            return AppendSession(self._async.append_session(**options))

        return _run(open())

    def read_stream(self, stream: str, **options: Unpack[options_.ReadStreamOptions]) -> Read[StreamHead]:
        """Reads a stream as it is when the loop begins, from the first version that is not hidden."""
        return Read(self._async.read_stream(stream, **options))

    def read_by_correlation(
        self, correlation_id: str, **options: Unpack[options_.ReadByCorrelationOptions]
    ) -> Read[CorrelationHead]:
        """Reads all events with a correlation id, over all streams and in the order of their positions."""
        return Read(self._async.read_by_correlation(correlation_id, **options))

    def read_all(self, **options: Unpack[options_.ReadAllOptions]) -> AllRead:
        """Reads the whole store, or the streams that match patterns, as it is when the loop begins, in the order of positions."""
        return AllRead(self._async.read_all(**options))

    def subscribe(self, **options: Unpack[options_.SubscribeOptions]) -> Subscription:
        """Follows a stream, the streams that match patterns, or the whole store, and gets each event once and in order."""
        return Subscription(self._async.subscribe(**options))

    def consumer(self, group: str, handler: Handler, **options: Unpack[options_.ConsumeOptions]) -> Consumer:
        """A member of a consumer group. Its `run` handles events until `stop`."""
        return Consumer(self._async, group, handler, options)

    def list_streams(self, **options: Unpack[options_.ListStreamsOptions]) -> Loop[StreamSummary]:
        """Lists streams in the byte order of their names."""
        return Loop(self._async.list_streams(**options))

    def get_version(
        self, stream: str, as_of: datetime | None = None, **options: Unpack[options_.CallOptions]
    ) -> StreamHead:
        """The version of a stream; 0 if there is no such stream."""
        return _run(self._async.get_version(stream, as_of, **options))

    def get_commit(self, commit_id: str, **options: Unpack[options_.CallOptions]) -> FoundCommit | None:
        """The commit with an id; None if it is not found on a stream that the caller may read."""
        return _run(self._async.get_commit(commit_id, **options))

    def server_info(self, **options: Unpack[options_.CallOptions]) -> store_pb2.GetServerInfoResponse:
        """The gateway's version, its limits, and the durability of an acknowledged append, as in the contract."""
        return _run(self._async.server_info(**options))

    def close(self) -> None:
        """Ends all calls that are under way. Later ones fail with CallCancelledError."""
        _run(self._async.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(addresses: str | Sequence[str], **options: Unpack[options_.ConnectOptions]) -> Client:
    """
    A client of the gateways at `host:port`, `unix:/path`, or any other name that gRPC can resolve: of one, or of several that
    serve the same store. It does not connect yet. Raises a ValueError or a TypeError for options that cannot be used, such as a
    token that would leave this machine in plain text.
    """
    return Client(addresses, **options)
