"""Members of consumer groups: docs/groups.md."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio

from . import _options as options_
from . import _status, errors
from ._calls import Core, is_transient, now, resume_pause
from ._events import RecordedEvent, to_recorded
from ._subscribe import HEARTBEAT_INTERVAL, MISSED_MAX
from ._tracing import CallSpan
from .v1 import consumer_group_service_pb2 as groups_pb2

_METHOD = "ConsumerGroupService/Consume"
_IDS_MAX = 10_000  # of `Ack.deliveries` and `Extend.deliveries`
_EXTENDS_PER_TIMEOUT = 3  # of a delivery that waits for a handler
_EXTEND_SHARE = 0.2  # of its time, after which a delivery is extended when its next event begins
_MEMBER_EXISTS_MAX = 60.0  # a gateway that has lost a member needs this long at most until another one accepts its id


class ParkEvent(Exception):
    """Raised by a handler: the event can never be handled, and is to be parked. `list_parked` shows the text."""


class SkipEvent(Exception):
    """Raised by a handler: the event does not matter."""


class RetryEvent(Exception):
    """Raised by a handler: the event is to be retried like after any other error, but after `delay` seconds at least."""

    def __init__(self, reason: str, delay: float) -> None:
        super().__init__(reason)
        self.delay = delay


class HandlerContext:
    """What a handler gets beside an event."""

    def __init__(self, delivery: "_Delivery", attempt: int) -> None:
        self._delivery = delivery
        self._loop = asyncio.get_running_loop()
        self.attempt = attempt
        """How often the event was tried, this time included."""
        self.redelivered: bool = delivery.proto.redelivered
        """True: the event may have been delivered before."""
        self.replayed: bool = delivery.proto.replayed
        """True: it comes from the list of parked events."""

    @property
    def lost(self) -> bool:
        """
        Whether what the handler does no longer counts: its time is over, another member gets the event, or the call has ended.
        An async handler is then cancelled as well.
        """
        return self._delivery.lost or self._delivery.late

    def extend(self) -> None:
        """Begins the time again that the handler may take, `ack_timeout` of the group. For any thread."""
        self._loop.call_soon_threadsafe(self._delivery.extend)


Handler = Callable[[RecordedEvent, HandlerContext], Awaitable[None]]


class _Delivery:
    """A delivery that the member has."""

    def __init__(self, proto: groups_pb2.Delivery, membership: "_Membership") -> None:
        self.proto = proto
        self.membership = membership
        self.stream: str = proto.events[0].stream if proto.events else ""
        self.since = now()
        self.lost = False
        self.timer: asyncio.Timeout | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def late(self) -> bool:
        """Whether the handler that it has took too long."""
        return self.timer is not None and self.timer.expired()

    def lose(self) -> None:
        if not self.lost:
            self.lost = True
            if self.task is not None:
                self.task.cancel()

    def extend(self) -> None:
        if self.lost or self.late:
            return
        self.begin_time()
        self.membership.say_extend([self])

    def begin_time(self) -> None:
        self.since = now()
        if self.timer is not None:
            self.timer.reschedule(self.since + self.membership.ack_timeout)

    async def handle(self, handler: Handler, on_failed: Callable[[Exception, Any], object] | None) -> None:
        """Handles the events in order, up to one that fails, and settles the delivery."""
        for handled, proto in enumerate(self.proto.events):
            if self.lost:
                return
            event = to_recorded(proto)
            context = HandlerContext(self, self.proto.attempt if handled == 0 else 1)
            # Each event gets nearly all of the time, however long those before it took, or the delivery has waited.
            if now() - self.since > self.membership.ack_timeout * _EXTEND_SHARE:
                self.extend()
            try:
                async with asyncio.timeout(self.membership.ack_timeout) as self.timer:
                    await handler(event, context)
            except Exception as error:
                if self.late and isinstance(error, TimeoutError):
                    error = TimeoutError("the handler took longer than the group permits")
                self.timer = None
                if on_failed is not None:
                    on_failed(error, event)
                self.membership.say_failed(self, handled, error)
                return
            self.timer = None
        if not self.lost:
            self.membership.say_ack(self)


class _Membership:
    """One call of Consume: from joining to its end."""

    def __init__(self, consumer: "AsyncConsumer") -> None:
        self._consumer = consumer
        self.joined: groups_pb2.Joined | None = None
        self.ack_timeout = math.inf
        self._requests: asyncio.Queue[groups_pb2.ConsumeRequest] = asyncio.Queue()  # its bound is that of the deliveries
        self._acked: list[int] = []
        self._ended = False

    def leave(self) -> None:
        self._say(leave=groups_pb2.Leave())

    def say_ack(self, delivery: _Delivery) -> None:
        """What is done in one turn of the loop goes in one message."""
        if not self._acked:
            asyncio.get_running_loop().call_soon(self._flush)
        self._acked.append(delivery.proto.id)

    def say_failed(self, delivery: _Delivery, handled: int, error: Exception) -> None:
        named: dict[str, Any] = {"delivery": delivery.proto.id, "handled": handled}
        reason = str(error).encode(errors="replace").decode()
        match error:
            case SkipEvent():
                self._say(skip=groups_pb2.Skip(**named))
            case ParkEvent():
                self._say(park=groups_pb2.Park(reason=reason, **named))
            case RetryEvent():
                delay = timedelta(seconds=error.delay)
                self._say(retry=groups_pb2.Retry(reason=reason, delay=delay, **named))
            case _:
                self._say(retry=groups_pb2.Retry(reason=reason or type(error).__name__, **named))

    def say_extend(self, deliveries: Iterable[_Delivery]) -> None:
        ids = [one.proto.id for one in deliveries]
        for at in range(0, len(ids), _IDS_MAX):
            self._say(extend=groups_pb2.Extend(deliveries=ids[at : at + _IDS_MAX]))

    def _say(self, **request: Any) -> None:
        if not self._ended:
            self._requests.put_nowait(groups_pb2.ConsumeRequest(**request))

    def _flush(self) -> None:
        acked, self._acked = self._acked, []
        for at in range(0, len(acked), _IDS_MAX):
            self._say(ack=groups_pb2.Ack(deliveries=acked[at : at + _IDS_MAX]))

    async def run(self, join: groups_pb2.Join, token: str | None) -> None:
        """Returns when the member has left. Raises AioRpcError for the end of the call."""
        core = self._consumer.core
        connection = await core.pool.ready(now() + core.timeout)
        span = CallSpan(_METHOD)
        call = connection.method("stream_stream", _METHOD, groups_pb2.ConsumeResponse)(metadata=core.metadata(token, span))
        self._requests.put_nowait(groups_pb2.ConsumeRequest(join=join))
        tasks = [asyncio.create_task(work) for work in (self._write(call), self._extend_waiting())]
        silence = MISSED_MAX * join.heartbeat_interval.ToNanoseconds() / 1e9
        code = grpc.StatusCode.CANCELLED
        try:
            async for response in core.responses(call, connection, silence):
                self._take(response)
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise
        finally:
            self._ended = True
            span.end(code)
            call.cancel()
            for task in tasks:
                task.cancel()
            self._consumer.lose(lambda one: one.membership is self)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, call: Any) -> None:
        while True:
            await call.write(await self._requests.get())

    async def _extend_waiting(self) -> None:
        """Deliveries that wait for a handler keep their time."""
        while True:
            await asyncio.sleep(min(self.ack_timeout, 3.0) / _EXTENDS_PER_TIMEOUT)
            third = self.ack_timeout / _EXTENDS_PER_TIMEOUT
            due = [one for one in self._consumer.waiting if one.membership is self and now() - one.since > third / 2]
            for one in due:
                one.begin_time()
            self.say_extend(due)

    def _take(self, response: groups_pb2.ConsumeResponse) -> None:
        notice = response.WhichOneof("notice")
        consumer = self._consumer
        if notice == "joined":
            self.joined = response.joined
            self.ack_timeout = response.joined.settings.ack_timeout.ToNanoseconds() / 1e9
            if consumer.is_stopping:
                self.leave()
            consumer.notify("on_joined", response.joined)
        elif notice == "revoked":
            self._revoke(response.revoked)
        elif notice == "refused":
            consumer.notify("on_refused", _status.to_error(_status.failure_of_status(response.refused.error)))
        elif notice == "caught_up":
            consumer.notify("on_caught_up")
        consumer.add([_Delivery(one, self) for one in response.deliveries])

    def _revoke(self, revoked: groups_pb2.Revoked) -> None:
        lanes = frozenset(revoked.lanes)

        def is_of_them(one: _Delivery) -> bool:
            return one.membership is self and one.proto.lane in lanes

        if not revoked.HasField("timeout"):
            self._consumer.lose(is_of_them)
            return
        # A lane that comes back meanwhile has other deliveries.
        those = [one for one in self._consumer.all if is_of_them(one)]
        self._consumer.hurry(those)
        timeout = revoked.timeout.ToNanoseconds() / 1e9
        asyncio.get_running_loop().call_later(timeout, self._consumer.lose, those.__contains__)


class AsyncConsumer:
    """A member of a group: it joins, and joins again whenever a gateway or a connection goes away, until `stop` is called."""

    def __init__(self, core: Core, group: str, handler: Handler, options: options_.ConsumeOptions) -> None:
        self.core = core
        self._handler = handler
        self._options = options
        self._concurrency = options.get("concurrency", 1)
        max_in_flight = options.get("max_in_flight", 2 * self._concurrency)
        for name, value in (("concurrency", self._concurrency), ("max_in_flight", max_in_flight)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1; found {value}")
        self._join = groups_pb2.Join(
            group=group,
            member=options.get("member", ""),
            max_in_flight=max_in_flight,
            heartbeat_interval=timedelta(seconds=options.get("heartbeat_interval", HEARTBEAT_INTERVAL)),
        )
        self.waiting: list[_Delivery] = []
        # Over all calls: two deliveries of one stream are never handled side by side, even if the first one was lost.
        self._running: dict[str, _Delivery] = {}
        self._membership: _Membership | None = None
        self._stopping = asyncio.Event()
        self._broken: asyncio.Future[None] | None = None

    def stop(self) -> None:
        """No more events come, and `run` returns when those that the member has are settled."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._membership is not None and self._membership.joined is not None:
            self._membership.leave()

    async def run(self) -> None:
        """
        Handles events until `stop`. Raises a GroupError whose code is GROUP_NOT_FOUND, GROUP_AHEAD_OF_STORE,
        GROUP_STATE_UNREADABLE, MEMBER_EXISTS or MEMBER_STALLED, or another error of the call that another call would not mend.
        """
        try:
            await self._run()
        finally:
            self.lose(lambda _: True)
            await asyncio.gather(*(one.task for one in self._running.values() if one.task), return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        ended = -math.inf
        while not self._stopping.is_set():
            self._membership = membership = _Membership(self)
            token: str | None = None
            error: errors.SluiceError | None = None
            try:
                token = await self.core.token(now() + self.core.timeout)
                await self._one_call(membership, token)
                if self._stopping.is_set():
                    return
                error = _status.to_error(_status.Failure(grpc.StatusCode.INTERNAL, "the call ended although no one left"))
            except grpc.aio.AioRpcError as raised:
                error = _status.to_error(_status.failure_of_call(raised))
            except errors.SluiceError as raised:
                error = raised
            except asyncio.CancelledError:
                self.core.raise_if_closed()
                raise
            if membership.joined is not None:
                failures, ended = 0, now()
            refused = self.core.is_refused(error, token)
            # The gateway may not have noticed yet that the call before this one has ended.
            is_own_id = error.code == "MEMBER_EXISTS" and now() - ended < _MEMBER_EXISTS_MAX
            passes = is_transient(error) or is_own_id or (refused and (membership.joined is not None or failures == 0))
            if self._stopping.is_set() and (membership.joined is None or passes):
                return
            if self.core.closed or not passes:
                raise error
            self.notify("on_reconnect", error)
            try:
                async with asyncio.timeout(resume_pause(failures)):
                    await self._stopping.wait()
            except TimeoutError:
                failures += 1

    async def _one_call(self, membership: _Membership, token: str | None) -> None:
        """Ends also when a callback has raised, with its error, and when the member leaves before it has joined."""
        self._broken = asyncio.get_running_loop().create_future()
        call = asyncio.create_task(membership.run(self._join, token))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            ends: list[asyncio.Future[Any]] = [call, self._broken]
            await asyncio.wait([*ends, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not call.done() and not self._broken.done() and membership.joined is None:
                return  # nothing has been delivered
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                self._broken.result()
            await call
        finally:
            stopping.cancel()
            self._broken.cancel()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    def notify(self, name: str, *arguments: Any) -> None:
        callback: Callable[..., object] | None = self._options.get(name)  # type: ignore[assignment]
        if callback is not None:
            callback(*arguments)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def all(self) -> list[_Delivery]:
        return [*self.waiting, *self._running.values()]

    def add(self, deliveries: Iterable[_Delivery]) -> None:
        self.waiting.extend(deliveries)
        self._start()

    def lose(self, is_lost: Callable[[_Delivery], bool]) -> None:
        """Deliveries that no longer count: their handlers learn it, and those that wait are dropped."""
        for one in self.all:
            if is_lost(one):
                one.lose()
        self.waiting = [one for one in self.waiting if not one.lost]

    def hurry(self, urgent: list[_Delivery]) -> None:
        """Deliveries that another member waits for come first."""
        self.waiting.sort(key=lambda one: one not in urgent)

    def _start(self) -> None:
        while len(self._running) < self._concurrency:
            at = next((i for i, one in enumerate(self.waiting) if one.stream not in self._running), None)
            if at is None:
                return
            delivery = self.waiting.pop(at)
            self._running[delivery.stream] = delivery
            delivery.task = asyncio.create_task(delivery.handle(self._handler, self._options.get("on_failed")))
            delivery.task.add_done_callback(lambda task, one=delivery: self._on_settled(one, task))  # type: ignore[misc]

    def _on_settled(self, delivery: _Delivery, task: asyncio.Task[None]) -> None:
        del self._running[delivery.stream]
        error = None if task.cancelled() else task.exception()
        if error is not None and self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)
        self._start()
