"""The client for asyncio."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self, Unpack

from . import _append, _read
from . import _options as options_
from ._admin import AsyncGroups, AsyncStreams
from ._calls import Core
from ._consume import AsyncConsumer, Handler
from ._events import (
    AppendMultiResult,
    AppendResult,
    CorrelationHead,
    FoundCommit,
    NewEvent,
    StreamAppend,
    StreamHead,
    StreamSummary,
    to_found_commit,
    to_head,
)
from ._session import AsyncAppendSession
from ._subscribe import AsyncSubscription
from .v1 import event_store_service_pb2 as store_pb2


class AsyncClient:
    """
    A client of one gateway or several, for one event loop. The first call connects, and a connection that is lost is made again.
    The client sends appends again, which is safe because of their commit ids, and no other calls.

    Calls fail with a SluiceError. Every call may fail with InvalidRequestError, UnavailableError, OverloadedError,
    UnauthenticatedError, AccessDeniedError, QuotaExceededError, NotPermittedError, DeadlineExceededError, CallCancelledError and
    InternalError; each method lists its other errors. Arguments that cannot be sent are a ValueError or a TypeError.
    """

    streams: AsyncStreams
    """Describes streams, and hides their events: all of them, or those before a version or an age."""
    groups: AsyncGroups
    """Creates and changes consumer groups, and shows how far they are."""

    def __init__(self, addresses: str | Sequence[str], **options: Unpack[options_.ConnectOptions]) -> None:
        self._core = Core(addresses, options)
        self.streams = AsyncStreams(self._core)
        self.groups = AsyncGroups(self._core)

    async def append(
        self, stream: str, events: Sequence[NewEvent], **options: Unpack[options_.AppendOptions]
    ) -> AppendResult:
        """
        Appends events to a stream as one commit: all of them are stored, or none. Without events, nothing is stored;
        `expected_version` is still checked, and the result has the current version.

        Raises VersionConflictError if the stream is not as expected, AppendConditionFailedError if an event was stored that the
        `condition` rules out, ConditionContendedError if others have appended in each of 20 rounds, CommitIdReuseError if the commit id belongs to another
        commit, StreamError with the code STREAM_TOMBSTONED if the stream takes no more events, UnreadableCommitError,
        StoreFullError, StoreRefusedError, and OutcomeUnknownError, which has the commit id, if the events may or may not be
        stored. After a cancellation they also may or may not be stored.
        """
        return await _append.append(self._core, stream, events, **options)

    async def append_multi(
        self, appends: Sequence[StreamAppend], **options: Unpack[options_.AppendMultiOptions]
    ) -> AppendMultiResult:
        """
        Appends events to several streams in one transaction: all of them are stored, or none. Every stream must be at its
        expected version. Fails like `append`; a VersionConflictError has all `conflicts`.
        """
        return await _append.append_multi(self._core, appends, **options)

    def append_session(self, **options: Unpack[options_.SessionOptions]) -> AsyncAppendSession:
        """
        Opens a session, within a running event loop. Its appends do not wait for the responses to earlier ones, which is many
        times faster than one append after the other. A session ends when its token expires.
        """
        return AsyncAppendSession(self._core, options)

    def read_stream(self, stream: str, **options: Unpack[options_.ReadStreamOptions]) -> _read.AsyncRead[StreamHead]:
        """
        Reads a stream as it is when the loop begins, from the first version that is not hidden. A stream that does not exist has
        no events and is at version 0. The loop may also fail with UnreadableCommitError and IncompleteReadError.
        """
        return _read.read_stream(self._core, stream, options)

    def read_by_correlation(
        self, correlation_id: str, **options: Unpack[options_.ReadByCorrelationOptions]
    ) -> _read.AsyncRead[CorrelationHead]:
        """Reads all events with a correlation id, over all streams and in the order of their positions."""
        return _read.read_by_correlation(self._core, correlation_id, options)

    def read_all(self, **options: Unpack[options_.ReadAllOptions]) -> _read.AsyncAllRead:
        """Reads the whole store, or the streams that match patterns, as it is when the loop begins, in the order of positions."""
        return _read.read_all(self._core, options)

    def subscribe(self, **options: Unpack[options_.SubscribeOptions]) -> AsyncSubscription:
        """
        Follows a stream, the streams that match patterns, or the whole store: first the stored events, then new ones. The loop
        does not end by itself. It reconnects when a gateway or connection is lost, and gets each event once and in order. To
        resume after a restart of the process, save the `cursor` in the same transaction as the effect of the event, and pass it
        as `after`, with the same filters.

        The loop fails with InvalidRequestError, StoreMismatchError, UnreadableCommitError, UnauthenticatedError,
        AccessDeniedError or NotPermittedError, or with CallCancelledError when the client is closed.
        """
        return AsyncSubscription(self._core, options)

    def consumer(self, group: str, handler: Handler, **options: Unpack[options_.ConsumeOptions]) -> AsyncConsumer:
        """
        A member of a consumer group, which shares its events among its members: each event goes to one of them, and those of a
        stream come in order. Its `run` handles them until `stop`. The event is done when the handler returns; if it raises, the
        event is retried, unless it raises ParkEvent or SkipEvent. Delivery is at least once: docs/groups.md.
        """
        return AsyncConsumer(self._core, group, handler, options)

    def list_streams(self, **options: Unpack[options_.ListStreamsOptions]) -> _read.AsyncListing[StreamSummary]:
        """Lists streams in the byte order of their names. Streams that are created meanwhile may or may not appear."""
        return _read.list_streams(self._core, options)

    async def get_version(
        self, stream: str, as_of: datetime | None = None, **options: Unpack[options_.CallOptions]
    ) -> StreamHead:
        """
        The version of a stream; 0 if there is no such stream. It includes every append that was acknowledged before the call.
        `as_of`: later commits do not count.
        """
        request = store_pb2.GetVersionRequest(stream=stream, as_of=_read.aware(as_of))
        response = store_pb2.GetVersionResponse
        return to_head(await self._core.unary("EventStoreService/GetVersion", request, response, options.get("timeout")))

    async def get_commit(self, commit_id: str, **options: Unpack[options_.CallOptions]) -> FoundCommit | None:
        """
        The commit with an id: of an append, a transaction, or a change of a stream; None if it is not found on a stream that the
        caller may read. It may be any commit that was acknowledged before the call.
        """
        request = store_pb2.GetCommitRequest(commit_id=commit_id)
        response = store_pb2.GetCommitResponse
        return to_found_commit(await self._core.unary("EventStoreService/GetCommit", request, response, options.get("timeout")))

    async def server_info(self, **options: Unpack[options_.CallOptions]) -> store_pb2.GetServerInfoResponse:
        """The gateway's version, its limits, and the durability of an acknowledged append, as in the contract."""
        request = store_pb2.GetServerInfoRequest()
        response = store_pb2.GetServerInfoResponse
        return await self._core.unary("EventStoreService/GetServerInfo", request, response, options.get("timeout"))

    async def close(self) -> None:
        """Ends all calls that are under way. Later ones fail with CallCancelledError."""
        await self._core.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def connect_async(addresses: str | Sequence[str], **options: Unpack[options_.ConnectOptions]) -> AsyncClient:
    """
    A client of the gateways at `host:port`, `unix:/path`, or any other name that gRPC can resolve: of one, or of several that
    serve the same store. It does not connect yet. Raises a ValueError or a TypeError for options that cannot be used, such as a
    token that would leave this machine in plain text.
    """
    return AsyncClient(addresses, **options)
