"""Subscriptions: every event once and in order, whatever happens to gateways and connections."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from . import _options as options_
from . import errors
from ._calls import Core, is_transient, resume_pause
from ._cursor import Cursor
from ._events import RecordedEvent, to_recorded
from ._read import AsyncLoop, aware, report_unreadable
from .v1 import event_store_service_pb2 as store_pb2

HEARTBEAT_INTERVAL = 5.0
MISSED_MAX = 3  # after this number of heartbeats without any message, a connection counts as silent


class AsyncSubscription(AsyncLoop[RecordedEvent]):
    """
    Events as they are stored, until the loop is left. When the gateway becomes unavailable, the loop waits and continues with
    the same gateway or another: it gets each event once, in order. A later loop continues after the last event of this one.
    """

    def __init__(self, core: Core, options: options_.SubscribeOptions) -> None:
        self._core = core
        self._options = options
        self._heartbeat_interval = options.get("heartbeat_interval", HEARTBEAT_INTERVAL)
        self._cursor = Cursor(options.get("after"))
        self._after_version = options.get("after_version")
        if self._after_version is not None and self._cursor.position is not None:
            raise ValueError("after and after_version cannot go together")
        self._position: int | None = None
        self._lag: int | None = None
        self._request()  # raises for what cannot be sent

    @property
    def position(self) -> int | None:
        """The loop has every matching event up to this position; None before the first response."""
        return self._position

    @property
    def cursor(self) -> str | None:
        """
        Where the loop is, after its last event: what to store for `after`; None before the first response. With
        `after_version` it advances by whole commits only.
        """
        return None if self._position is None and self._after_version is not None else self._cursor.text

    @property
    def lag(self) -> int | None:
        """How many positions the subscription is behind the end of the store, by the latest report."""
        return self._lag

    async def pages(self) -> AsyncGenerator[Any, None]:
        failures = 0
        silence = MISSED_MAX * self._heartbeat_interval
        while True:
            has_response = False
            try:
                method = "EventStoreService/Subscribe"
                call = self._core.stream(method, self._request(), store_pb2.SubscribeResponse, None, silence)
                async with aclosing(call) as pages:
                    async for page in pages:
                        failures = 0
                        has_response = True
                        yield page
            except errors.SluiceError as error:
                needs_token = (
                    has_response and self._core.renews_tokens and isinstance(error, errors.UnauthenticatedError)
                )
                if self._core.closed or not (needs_token or is_transient(error)):
                    raise
                if not needs_token and (on_reconnect := self._options.get("on_reconnect")):
                    on_reconnect(error)
            await asyncio.sleep(resume_pause(failures))
            failures += 1

    def take(self, page: store_pb2.SubscribeResponse) -> Iterator[RecordedEvent]:
        for event in page.events:
            if self._after_version is None:
                self._cursor.on_event(event.position)
            else:
                self._after_version = event.version
            yield to_recorded(event)
        report_unreadable(page, self._options.get("on_unreadable"))
        self._cursor.store_id = page.store_id or self._cursor.store_id
        if page.HasField("position"):
            self._position = page.position
            self._cursor.on_position(page.position)
        self._notice(page)

    def _notice(self, page: store_pb2.SubscribeResponse) -> None:
        notice = page.WhichOneof("notice")
        if notice == "heartbeat":
            self._lag = page.heartbeat.lag
        elif notice == "caught_up":
            self._lag = 0
            if on_caught_up := self._options.get("on_caught_up"):
                on_caught_up()
        elif notice == "fell_behind" and (on_fell_behind := self._options.get("on_fell_behind")):
            on_fell_behind()

    def _request(self) -> store_pb2.SubscribeRequest:
        """From where the loop is. A request cannot have a version and a position."""
        options = self._options
        by_version = self._after_version is not None
        return store_pb2.SubscribeRequest(
            stream=options.get("stream", ""),
            patterns=options.get("patterns", ()),
            event_types=options.get("event_types", ()),
            event_type_prefixes=options.get("event_type_prefixes", ()),
            query=options.get("query"),
            permitted_only=options.get("permitted_only", False),
            after_version=self._after_version,
            after_position=None if by_version else self._cursor.position,
            after_count=None if by_version else self._cursor.count,
            store_id=self._cursor.store_id,
            from_time=aware(options.get("from_time")),
            from_now=options.get("from_now", False) and self._position is None,
            start_must_exist=options.get("start_must_exist", False),
            heartbeat_interval=timedelta(seconds=self._heartbeat_interval),
            skip_unreadable=options.get("on_unreadable") is not None,
        )
