"""Read by a query, decide, append on condition, and again when somebody was faster."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ._aio import AsyncClient
from ._events import AppendCondition, EventQuery, RecordedEvent
from ._retry import ATTEMPTS_MAX, attempts, pause_after
from ._sync import Client
from .errors import AppendConditionFailedError, ConditionContendedError, VersionConflictError

Result = TypeVar("Result")

_RETRIED = (AppendConditionFailedError, ConditionContendedError, VersionConflictError)


def retry_on_condition(
    client: Client,
    query: EventQuery,
    decide: Callable[[Sequence[RecordedEvent], AppendCondition], Result],
    *,
    attempts_max: int = ATTEMPTS_MAX,
) -> Result:
    """
    Reads the events of a query, decides and appends, and starts again when somebody has stored an event of the query in between:

        query = EventQuery(items=[QueryItem(tags=["course:math"])])

        def decide(events: Sequence[RecordedEvent], condition: AppendCondition) -> AppendResult:
            return client.append("student.ada", enrol(events), condition=condition)

        retry_on_condition(client, query, decide)

    `decide` gets all events that the query selects, in order, and the condition to append with. It may append to any streams.
    Returns the result of `decide`. Fails with the AppendConditionFailedError, ConditionContendedError or VersionConflictError of the
    last attempt, or at once with any other error.
    """
    events: list[RecordedEvent] = []
    after = 0
    for attempt in attempts(attempts_max):
        # A later attempt needs only what came since.
        read = client.read_all(query=query, after=after)
        events.extend(read)
        after = read.head.position
        try:
            return decide(tuple(events), AppendCondition(query, after))
        except _RETRIED:
            if attempt == attempts_max:
                raise
        time.sleep(pause_after(attempt))
    raise AssertionError


async def retry_on_condition_async(
    client: AsyncClient,
    query: EventQuery,
    decide: Callable[[Sequence[RecordedEvent], AppendCondition], Awaitable[Result]],
    *,
    attempts_max: int = ATTEMPTS_MAX,
) -> Result:
    """The same for asyncio."""
    events: list[RecordedEvent] = []
    after = 0
    for attempt in attempts(attempts_max):
        read = client.read_all(query=query, after=after)
        async for event in read:
            events.append(event)
        after = read.head.position
        try:
            return await decide(tuple(events), AppendCondition(query, after))
        except _RETRIED:
            if attempt == attempts_max:
                raise
        await asyncio.sleep(pause_after(attempt))
    raise AssertionError
