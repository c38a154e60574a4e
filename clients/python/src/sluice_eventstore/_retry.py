"""Load, decide, append, and again when another writer was faster."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import VersionConflictError

State = TypeVar("State")
Result = TypeVar("Result")

ATTEMPTS_MAX = 10
_PAUSE_FIRST = 0.005
_PAUSE_MAX = 0.5


def retry_on_conflict(
    load: Callable[[], State], decide: Callable[[State], Result], *, attempts_max: int = ATTEMPTS_MAX
) -> Result:
    """
    Reads, decides and appends, and starts again when another writer was faster. `load` reads the state again for each attempt;
    `decide` appends, with the version that was read as the expected version. Returns the result of `decide`. Fails with the
    VersionConflictError of the last attempt, or at once with any other error of the two functions.
    """
    for attempt in attempts(attempts_max):
        try:
            return decide(load())
        except VersionConflictError:
            if attempt == attempts_max:
                raise
        time.sleep(pause_after(attempt))
    raise AssertionError


async def retry_on_conflict_async(
    load: Callable[[], Awaitable[State]],
    decide: Callable[[State], Awaitable[Result]],
    *,
    attempts_max: int = ATTEMPTS_MAX,
) -> Result:
    """The same for asyncio."""
    for attempt in attempts(attempts_max):
        try:
            return await decide(await load())
        except VersionConflictError:
            if attempt == attempts_max:
                raise
        await asyncio.sleep(pause_after(attempt))
    raise AssertionError


def attempts(attempts_max: int) -> range:
    if attempts_max < 1:
        raise ValueError(f"attempts_max must be at least 1; found {attempts_max}")
    return range(1, attempts_max + 1)


def pause_after(attempt: int) -> float:
    """Random, so that writers that collided do not collide again."""
    return random.random() * min(_PAUSE_MAX, _PAUSE_FIRST * 2.0**attempt)
