"""Calls with a token, a span, and the errors of this client."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from . import _status, errors
from ._channel import OPTIONS, Connection, Pool, Tokens, bearer, is_local, unavailable
from ._options import ConnectOptions
from ._tracing import CallSpan, current_trace_context

R = TypeVar("R")
M = TypeVar("M", bound=Message)

TIMEOUT = 15.0  # longer than the 10 seconds that a gateway spends on an append
APPEND_ATTEMPTS_MAX = 8  # which fill the default timeout: a restart of the only gateway takes some seconds

_DOUBT_PAUSE = 0.1
_PAUSE_MAX = 3.0  # so that several attempts fit into a timeout
_RESUME_PAUSE_FIRST = 0.1
_RESUME_PAUSE_MAX = 5.0

# These show that no attempt has stored the commit, and none will.
_DEFINITE = (
    errors.VersionConflictError,
    errors.AppendConditionFailedError,
    errors.CommitIdReuseError,
    errors.InvalidRequestError,
    errors.StreamError,
)


class Core:
    """What all calls of a client share."""

    def __init__(self, addresses: str | Sequence[str], options: ConnectOptions) -> None:
        self.addresses = [addresses] if isinstance(addresses, str) else list(addresses)
        if not self.addresses or not all(self.addresses):
            raise ValueError("there is no address to connect to")
        self.timeout = checked_timeout(options.get("timeout", TIMEOUT))
        self.append_attempts_max = options.get("append_attempts_max", APPEND_ATTEMPTS_MAX)
        if self.append_attempts_max < 1:
            raise ValueError(f"append_attempts_max must be at least 1; found {self.append_attempts_max}")
        self._record_trace_context = options.get("record_trace_context", False)
        self._metadata = [(key.lower(), value) for key, value in options.get("metadata", {}).items()]
        self._tokens: Tokens | None = None
        tls = options.get("tls", False)
        channel_options: dict[str, str | int] = {**OPTIONS, **options.get("channel_options", {})}
        if (token := options.get("token")) is not None:
            self._set_token(token, plain=tls is False)
            if tls is False:
                channel_options["grpc.enable_http_proxy"] = 0  # not even this machine is reached by way of a proxy
        self.pool = Pool(self.addresses, tls, channel_options)
        self.closed = False

    def _set_token(self, token: Any, plain: bool) -> None:
        if any(key == "authorization" for key, _ in self._metadata):
            raise ValueError("token and metadata cannot both have the authorization of a call")
        for address in self.addresses:
            if plain and not is_local(address):
                raise ValueError(
                    f"a token is not sent to {address} in plain text: use tls, or an address of this machine "
                    "(loopback, localhost or unix:/path)"
                )
        if callable(token):
            self._tokens = Tokens(token, self.timeout if math.isfinite(self.timeout) else TIMEOUT)
        else:
            self._metadata.append(("authorization", bearer(token)))

    @property
    def renews_tokens(self) -> bool:
        return self._tokens is not None

    @property
    def event_trace_context(self) -> Mapping[str, str]:
        """For the metadata of events that are appended now."""
        return current_trace_context() if self._record_trace_context else {}

    async def token(self, end: float) -> str | None:
        self.raise_if_closed()
        return await self._tokens.header(end) if self._tokens else None

    def is_refused(self, error: Exception, token: str | None) -> bool:
        """Whether the call can be made again, with another token."""
        return (
            self._tokens is not None
            and isinstance(error, errors.UnauthenticatedError)
            and self._tokens.is_refused(error, token)
        )

    def metadata(self, token: str | None, span: CallSpan) -> list[tuple[str, str]]:
        return [*self._metadata, *([("authorization", token)] if token else []), *span.metadata]

    def raise_if_closed(self) -> None:
        if self.closed:
            message = "the client is closed"
            raise _status.to_error(_status.Failure(grpc.StatusCode.CANCELLED, message, was_sent=False))

    async def close(self) -> None:
        self.closed = True
        await self.pool.close()

    async def unary(
        self, method: str, request: Message, response: type[M], timeout: float | None, commit: _status.Commit | None = None
    ) -> M:
        """One request, one response. A call whose token is refused is made again once, with a new one."""
        end = end_of(self.timeout if timeout is None else timeout)
        token = await self.token(end)
        try:
            return await self._unary(method, request, response, end, token, commit)
        except errors.UnauthenticatedError as error:
            if not self.is_refused(error, token):
                raise
        return await self._unary(method, request, response, end, await self.token(end), commit)

    async def _unary(
        self, method: str, request: Message, response: type[M], end: float, token: str | None, commit: Any
    ) -> M:
        connection = await self.pool.ready(end)
        async with self._call(method, commit) as span:
            call = connection.method("unary_unary", method, response)
            found: M | None = await call(request, timeout=remaining(end), metadata=self.metadata(token, span))
        if found is None:  # gRPC has logged why
            message = "a response of the gateway cannot be decoded"
            raise _status.to_error(_status.Failure(grpc.StatusCode.INTERNAL, message), commit)
        return found

    @asynccontextmanager
    async def _call(self, method: str, commit: _status.Commit | None = None) -> AsyncIterator[CallSpan]:
        """The errors of one call, and its span."""
        span = CallSpan(method)
        code = grpc.StatusCode.CANCELLED
        try:
            yield span
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise _status.to_error(_status.failure_of_call(error), commit) from error
        except asyncio.CancelledError:
            self._raise_if_closed_under_way(commit)
            raise
        finally:
            span.end(code)

    def _raise_if_closed_under_way(self, commit: _status.Commit | None = None) -> None:
        """gRPC cancels what is under way when a channel closes, which is not the cancellation of a task."""
        task = asyncio.current_task()
        if self.closed and (task is None or task.cancelling() == 0):
            message = "the client was closed"
            raise _status.to_error(_status.Failure(grpc.StatusCode.CANCELLED, message), commit) from None

    async def stream(
        self, method: str, request: Message, response: type[M], timeout: float | None = None, silence: float | None = None
    ) -> AsyncGenerator[M, None]:
        """
        One request, many responses. A call that has had a response is not made again. `silence`: after this time without a
        response, the connection is given up, and the call fails with UnavailableError.
        """
        end = end_of(math.inf if timeout is None else timeout)
        for attempt in (1, 2):
            token = await self.token(end)
            has_response = False
            try:
                connection = await self.pool.ready(end)
                async with self._call(method) as span:
                    made = connection.method("unary_stream", method, response)
                    call = made(request, timeout=remaining(end), metadata=self.metadata(token, span))
                    try:
                        async for message in self.responses(call, connection, silence):
                            has_response = True
                            yield message
                    finally:
                        call.cancel()
                return
            except errors.UnauthenticatedError as error:
                if has_response or attempt == 2 or not self.is_refused(error, token):
                    raise

    async def responses(self, call: Any, connection: Connection, silence: float | None) -> AsyncGenerator[Any, None]:
        messages = aiter(call)
        while True:
            try:
                async with asyncio.timeout(silence):
                    message = await anext(messages)
            except StopAsyncIteration:
                return
            except TimeoutError:
                self.pool.leave(connection)
                raise unavailable(f"nothing has come from the gateway for {silence:g} s") from None
            if message is None:
                message = "a response of the gateway cannot be decoded"
                raise _status.to_error(_status.Failure(grpc.StatusCode.INTERNAL, message))
            yield message

    async def until_decided(self, timeout: float | None, send: Callable[[float], Awaitable[R]]) -> R:
        """
        Sends an append, always with the same commit id, until its outcome is known: again after an error that may pass, and
        after a lost response. All attempts share one timeout. Raises the last error; but once an attempt has been in doubt,
        only that doubt or an error that ends it.
        """
        end = end_of(self.timeout if timeout is None else timeout)
        doubt: errors.OutcomeUnknownError | None = None
        attempt = 0
        while True:
            attempt += 1
            try:
                return await send(max(0.001, end - now()))
            except errors.SluiceError as error:
                if isinstance(error, errors.OutcomeUnknownError):
                    doubt = error
                pause = math.inf if self.closed else _append_pause(error, attempt)
                if attempt >= self.append_attempts_max or now() + pause >= end:
                    if doubt is None or isinstance(error, _DEFINITE):
                        raise
                    raise doubt from None
            await asyncio.sleep(pause)


def now() -> float:
    """By the loop's clock."""
    return asyncio.get_running_loop().time()


def checked_timeout(timeout: float) -> float:
    if not timeout > 0:
        raise ValueError(f"timeout must be above 0; found {timeout}")
    return timeout


def end_of(timeout: float) -> float:
    return now() + checked_timeout(timeout)


_TIMEOUT_MAX = 10 * 365 * 86_400.0


def remaining(end: float) -> float | None:
    """For gRPC; at least some time: a deadline that has passed ends the call as any other."""
    return None if end > now() + _TIMEOUT_MAX else max(0.001, end - now())


def _append_pause(error: errors.SluiceError, attempt: int) -> float:
    """Infinity: another attempt is pointless."""
    match error:
        case errors.UnavailableError() | errors.OverloadedError() | errors.ConditionContendedError():
            return _growing(error.retry_delay, attempt) * (0.5 + random.random())
        case errors.QuotaExceededError():  # before its delay has passed, it refuses for certain
            return _growing(error.retry_delay, attempt) * (1 + random.random() / 2)
        case errors.OutcomeUnknownError():
            return _DOUBT_PAUSE * attempt
    return math.inf


def _growing(delay: float, attempt: int) -> float:
    """At least the delay that the gateway has asked for."""
    return max(delay, min(delay * attempt, _PAUSE_MAX))


def resume_pause(failures: int) -> float:
    """Before a call without an end of its own is made again. Grows with the number of failures in a row."""
    pause = min(_RESUME_PAUSE_MAX, _RESUME_PAUSE_FIRST * 2.0 ** min(failures, 10))
    return pause * (0.5 + random.random() / 2)


def is_transient(error: Exception) -> bool:
    """Whether another call may succeed: the gateway is unavailable, stops, or has ended a slow call; or there is no token."""
    if isinstance(error, errors.InternalError):
        return error.status != grpc.StatusCode.UNIMPLEMENTED.value[0]
    if isinstance(error, errors.InvalidRequestError):  # a proxy has had enough for now
        return error.status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    return isinstance(
        error,
        (
            errors.UnavailableError,
            errors.OverloadedError,
            errors.QuotaExceededError,
            errors.TokenFunctionError,
            errors.CallCancelledError,
            errors.DeadlineExceededError,
        ),
    )
