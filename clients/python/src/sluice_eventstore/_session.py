"""Many appends over one call."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, Unpack

import grpc
import grpc.aio

from . import _options as options_
from . import _status, errors
from ._append import append_request, append_result, requested_commit
from ._calls import Core, end_of, remaining
from ._events import AppendResult, NewEvent
from ._tracing import CallSpan
from .v1 import event_store_service_pb2 as store_pb2

_METHOD = "EventStoreService/AppendSession"
_PENDING_MAX = 1_024
_MESSAGE_BYTES_MAX = 128 << 10  # the size of one message, unless a single append is larger


@dataclass(slots=True)
class _Pending:
    message: store_pb2.SessionAppend
    commit: _status.Commit | None
    result: asyncio.Future[AppendResult]
    span: CallSpan
    sent: bool = False


class AsyncAppendSession:
    """
    Appends over one call, each sent without waiting for the responses to those before it. Appends to one stream are stored in
    the order of the calls, and one that fails does not stop the others.
    """

    def __init__(self, core: Core, options: options_.SessionOptions) -> None:
        self._core = core
        self._in_order = options.get("in_order", False)
        self._end = end_of(options.get("timeout", math.inf))
        self._room = asyncio.Semaphore(options.get("pending_max", _PENDING_MAX))
        self._pending: dict[int, _Pending] = {}
        self._unsent: deque[_Pending] = deque()
        self._failed: OrderedDict[int, errors.SluiceError] = OrderedDict()
        self._failed_max = options.get("pending_max", _PENDING_MAX)
        self._tag = 0
        self._closing = False
        self._has_response = False
        self._error: errors.SluiceError | None = None
        self._wake = asyncio.Event()
        self._run_task = asyncio.create_task(self._run())

    async def append(
        self, stream: str, events: Sequence[NewEvent], **conditions: Unpack[options_.AppendConditions]
    ) -> asyncio.Future[AppendResult]:
        """
        Waits until fewer than `pending_max` appends are pending, sends the append, and returns the future of its result. It fails
        like `append` of the client, but is not sent again. If it fails because its `expected_version` depends on an earlier append
        that failed, or because that one came before it in the order, the error of that one is its `__cause__`.
        """
        self._raise_if_ended()
        request = append_request(self._core, stream, events, conditions)
        await self._room.acquire()
        try:
            self._raise_if_ended()
        except errors.SluiceError:
            self._room.release()  # for the next one, which fails as well
            raise
        self._tag += 1
        span = CallSpan(_METHOD, " append")
        message = store_pb2.SessionAppend(tag=self._tag, append=request, in_order=self._in_order)
        if trace := span.trace_context:
            message.trace_context.CopyFrom(store_pb2.TraceContext(**trace))
        result: asyncio.Future[AppendResult] = asyncio.get_running_loop().create_future()
        pending = _Pending(message, requested_commit(request), result, span)
        self._pending[self._tag] = pending
        self._unsent.append(pending)
        self._wake.set()
        return result

    async def close(self) -> None:
        """Ends the session when all appends have their responses; raises the error that it ended with, if any."""
        self._closing = True
        self._wake.set()
        await asyncio.shield(self._run_task)
        if self._error is not None:
            raise self._error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _raise_if_ended(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closing or self._run_task.done():
            raise _cancelled("the session is closed")

    async def _run(self) -> None:
        failure: _status.Failure | None = None
        error: errors.SluiceError | None = None
        for attempt in (1, 2):
            token: str | None = None
            failure = error = None
            try:
                token = await self._core.token(self._end)
                await self._call(token)
            except errors.SluiceError as raised:  # there was no call
                error = raised
            except grpc.aio.AioRpcError as raised:
                failure = _status.failure_of_call(raised)
                error = _status.to_error(failure)
            except asyncio.CancelledError:
                failure = _status.Failure(grpc.StatusCode.CANCELLED, "the call was cancelled")
                error = _status.to_error(failure)
            if error is None or self._has_response or attempt == 2 or not self._core.is_refused(error, token):
                break
            self._unsent = deque(self._pending.values())
            self._wake.set()
        self._finish(failure, error)

    async def _call(self, token: str | None) -> None:
        connection = await self._core.pool.ready(self._end)
        span = CallSpan(_METHOD)
        metadata = self._core.metadata(token, span)
        call = connection.method("stream_stream", _METHOD, store_pb2.AppendSessionResponse)(
            timeout=remaining(self._end), metadata=metadata
        )
        writer = asyncio.create_task(self._write(call))
        code = grpc.StatusCode.CANCELLED
        try:
            async for response in call:
                self._has_response = True
                for answer in response.answers:
                    self._take(answer)
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise
        finally:
            span.end(code)
            writer.cancel()
            call.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, call: Any) -> None:
        """Sends what is unsent in messages of a moderate size, as fast as the gateway accepts them."""
        while True:
            await self._wake.wait()
            while self._unsent:
                appends = []
                size = 0
                while self._unsent and size < _MESSAGE_BYTES_MAX:
                    pending = self._unsent.popleft()
                    pending.sent = True
                    size += pending.message.ByteSize()
                    appends.append(pending.message)
                await call.write(store_pb2.AppendSessionRequest(appends=appends))
            if self._closing:
                await call.done_writing()
                return
            self._wake.clear()

    def _take(self, answer: store_pb2.SessionAnswer) -> None:
        pending = self._pending.pop(answer.tag, None)
        if pending is None:
            return
        self._room.release()
        if answer.HasField("result"):
            pending.span.end(0)
            _settle(pending.result, append_result(answer.result))
            return
        pending.span.end(answer.error.code)
        error = _status.to_error(_status.failure_of_status(answer.error), pending.commit)
        if answer.HasField("failed_tag"):
            error.__cause__ = self._failed.get(answer.failed_tag)
        # What was not tried because of another one is the cause of nothing, however many come after it.
        if not (answer.HasField("failed_tag") and isinstance(error, errors.CallCancelledError)):
            self._failed[answer.tag] = error
            if len(self._failed) > self._failed_max:
                self._failed.popitem(last=False)
        _settle(pending.result, error)

    def _finish(self, failure: _status.Failure | None, error: errors.SluiceError | None) -> None:
        self._error = error
        ended = _cancelled("the session is closed")
        for pending in self._pending.values():
            if failure is None:
                _settle(pending.result, error or ended)
            else:
                _settle(pending.result, _status.to_session_error(failure, pending.commit if pending.sent else None))
            pending.span.end(failure.status if failure else grpc.StatusCode.CANCELLED)
        self._pending.clear()
        self._unsent.clear()
        self._closing = True
        self._room.release()  # to those that wait, one after the other


def _cancelled(message: str) -> errors.SluiceError:
    return _status.to_error(_status.Failure(grpc.StatusCode.CANCELLED, message, was_sent=False))


def _settle(future: asyncio.Future[AppendResult], outcome: AppendResult | errors.SluiceError) -> None:
    if future.done():  # its caller has given it up
        return
    if isinstance(outcome, errors.SluiceError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
