"""The driver of the behaviour suite: commands as lines of JSON on stdin, what the client does on stdout. See test/clients."""

import asyncio
import base64
import inspect
import json
import platform
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import grpc

import sluice_eventstore as sluice

MODE = sys.argv[1]
IS_ASYNC = MODE == "asyncio"

printing = threading.Lock()


def say(**line: Any) -> None:
    with printing:
        print(json.dumps(line), flush=True)


# Every command is written once, as a coroutine. With the client that has no asyncio it never waits, and runs in a thread.


async def done(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def items(loop: Any) -> AsyncIterator[Any]:
    if IS_ASYNC:
        async for item in loop:
            yield item
    else:
        for item in loop:
            yield item


async def pause(ms: float) -> None:
    if IS_ASYNC:
        await asyncio.sleep(ms / 1000)
    else:
        time.sleep(ms / 1000)


def run_now(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waits")


def function(work: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """As the client wants it."""
    return work if IS_ASYNC else lambda *arguments: run_now(work(*arguments))


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


MILLISECONDS = {"deadlineMs": "timeout", "heartbeatMs": "heartbeat_interval"}
NUMBERS = ("fromVersion", "toVersion", "afterVersion", "toPosition")


def options(command: dict[str, Any], *names: str) -> dict[str, Any]:
    """The keyword arguments with these names, as far as they are given."""
    found: dict[str, Any] = {}
    for name in names:
        value = command.get(name)
        if value is None:
            continue
        if name in MILLISECONDS:
            found[MILLISECONDS[name]] = value / 1000
        elif name == "expectedVersion":
            found["expected_version"] = version(value)
        elif name == "query":
            found["query"] = event_query(value)
        elif name == "condition":
            found["condition"] = condition(value)
        elif name in NUMBERS or (name == "after" and value.isdigit()):
            found[snake(name)] = int(value)
        else:
            found[snake(name)] = value
    return found


def event_query(query: dict[str, Any]) -> sluice.EventQuery:
    made = [{snake(name): value for name, value in item.items()} for item in query["items"]]
    return sluice.EventQuery(items=[sluice.QueryItem(**item) for item in made])


def condition(given: dict[str, Any]) -> sluice.AppendCondition:
    return sluice.AppendCondition(
        event_query(given["query"]), after=int(given["after"]), within_stream=given.get("withinStream", "")
    )


def version(value: str | None) -> Any:
    return value if value in (None, "exists") else int(value)


def new_event(event: dict[str, Any]) -> sluice.NewEvent:
    binary = event.get("binary")
    data = event.get("text") if binary is None else base64.b64decode(binary)
    return sluice.NewEvent(data=data, **{snake(key): value for key, value in event.items() if key not in ("text", "binary")})


def shown(value: Any) -> Any:
    """Versions and positions as text."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return str(value)


def fields(value: Any, *names: str) -> dict[str, Any]:
    return {camel(name): shown(getattr(value, name)) for name in names}


def event_line(event: sluice.RecordedEvent) -> dict[str, Any]:
    names = ("stream", "version", "position", "id", "type", "content_type", "correlation_id", "causation_id")
    line = {**fields(event, *names), "tags": list(event.tags), "metadata": dict(event.metadata), "erased": event.erased}
    if isinstance(event.data, str):
        line["text"] = event.data
    elif event.data is not None:
        line["binary"] = base64.b64encode(event.data).decode()
    return line


def error_line(error: BaseException, stopped: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"name": type(error).__name__, "message": str(error)}
    if isinstance(error, asyncio.CancelledError) or (stopped and isinstance(error, sluice.CallCancelledError)):
        return {**line, "code": "ABORTED"}
    if isinstance(error, UnknownCommand):
        return {**line, "code": "DRIVER"}
    if isinstance(error, (ValueError, TypeError)):
        return {**line, "code": "ARGUMENT"}
    if not isinstance(error, sluice.SluiceError):
        return {**line, "code": "DRIVER", "message": repr(error)}
    line |= {"code": error.code, "status": error.status}
    if error.request_id is not None:
        line["requestId"] = error.request_id
    for name in ("stream", "expected", "actual", "commit_id", "position", "limit", "reason", "action", "subject"):
        if hasattr(error, name):
            line[camel(name)] = shown(getattr(error, name))
    if (delay := getattr(error, "retry_delay", None)) is not None:
        line["retryDelayMs"] = delay * 1000
    if isinstance(error, sluice.AppendConditionFailedError):
        line |= {"item": error.item, **fields(error, "event_id")}
    if isinstance(error.__cause__, sluice.SluiceError):
        line["cause"] = error_line(error.__cause__, False)
    if isinstance(error, sluice.VersionConflictError):
        line["conflicts"] = [fields(one, "stream", "expected", "actual") for one in error.conflicts]
    if isinstance(error, sluice.StreamError) and error.from_version is not None:
        line["wholeCommits"] = fields(error, "from_version", "to_version")
    if isinstance(error, sluice.InvalidRequestError):
        line["violations"] = [{"field": one.field, "description": one.description} for one in error.violations]
    return line


class UnknownCommand(Exception):
    pass


clients: dict[str, Any] = {}
sessions: dict[str, Any] = {}
stops: dict[int, Callable[[], object]] = {}
scopes: dict[int, sluice.CancelScope] = {}


def client(command: dict[str, Any]) -> Any:
    return clients[command["client"]]


async def connect(command: dict[str, Any]) -> dict[str, Any]:
    given = command.get("options") or {}
    made = options(given, "deadlineMs", "appendAttemptsMax", "token", "metadata")
    if (tokens := given.get("tokens")) is not None:
        left = list(tokens)
        made["token"] = lambda: left.pop(0) if len(left) > 1 else left[0]
    if (tls := given.get("tls")) is not None:
        made["tls"] = sluice.ClientTls(ca=tls["ca"].encode()) if "ca" in tls else True
    open = sluice.connect_async if IS_ASYNC else sluice.connect
    clients[command["client"]] = open(command["addresses"], **made)
    return {}


async def close(command: dict[str, Any]) -> dict[str, Any]:
    await done(client(command).close())
    return {}


def appended(result: sluice.AppendResult) -> dict[str, Any]:
    return fields(result, "version", "first_version", "position", "replayed", "commit_id")


async def append(command: dict[str, Any]) -> dict[str, Any]:
    how = options(command, "expectedVersion", "commitId", "condition", "deadlineMs")
    events = [new_event(event) for event in command["events"]]
    return appended(await done(client(command).append(command["stream"], events, **how)))


async def append_multi(command: dict[str, Any]) -> dict[str, Any]:
    appends = [
        sluice.StreamAppend(one["stream"], [new_event(event) for event in one["events"]], version(one.get("expectedVersion")))
        for one in command["appends"]
    ]
    how = options(command, "commitId", "condition", "deadlineMs")
    if checks := command.get("checks"):
        how["checks"] = [sluice.VersionCheck(one["stream"], version(one["expectedVersion"])) for one in checks]
    result = await done(client(command).append_multi(appends, **how))
    streams = [fields(one, "stream", "version", "first_version") for one in result.streams]
    return {**fields(result, "position", "replayed", "commit_id"), "streams": streams}


async def open_session(command: dict[str, Any]) -> dict[str, Any]:
    sessions[command["session"]] = client(command).append_session(**options(command, "pendingMax", "inOrder"))
    return {}


async def session_append(command: dict[str, Any]) -> dict[str, Any]:
    events = [new_event(event) for event in command["events"]]
    how = options(command, "expectedVersion", "commitId", "condition")
    sent = await done(sessions[command["session"]].append(command["stream"], events, **how))
    turn_over(command)
    return appended(await sent if IS_ASYNC else sent.result())


async def close_session(command: dict[str, Any]) -> dict[str, Any]:
    await done(sessions[command["session"]].close())
    return {}


async def read(command: dict[str, Any], loop: Any, *head: str) -> dict[str, Any]:
    count = 0
    async for event in items(loop):
        say(id=command["id"], event=event_line(event))
        count += 1
    return {"count": count, "head": fields(loop.head, *head)}


async def read_stream(command: dict[str, Any]) -> dict[str, Any]:
    how = options(command, "fromVersion", "toVersion", "direction", "maxCount", "eventTypes", "deadlineMs")
    return await read(command, client(command).read_stream(command["stream"], **how), "version", "position")


FILTER = ("patterns", "eventTypes", "eventTypePrefixes", "query", "permittedOnly", "after")


async def read_all(command: dict[str, Any]) -> dict[str, Any]:
    how = options(command, *FILTER, "toPosition", "direction", "maxCount", "deadlineMs")
    loop = client(command).read_all(**how)
    result = await read(command, loop, "position", "store_id")
    return {**result, "cursor": loop.cursor} if loop.cursor is not None else result


async def read_by_correlation(command: dict[str, Any]) -> dict[str, Any]:
    how = options(command, "maxCount", "eventTypes", "deadlineMs")
    loop = client(command).read_by_correlation(command["correlationId"], **how)
    return await read(command, loop, "position", "limited_to_grants")


async def get_version(command: dict[str, Any]) -> dict[str, Any]:
    found = await done(client(command).get_version(command["stream"], **options(command, "deadlineMs")))
    return fields(found, "version", "position", "first_version")


async def server_info(command: dict[str, Any]) -> dict[str, Any]:
    return {"version": (await done(client(command).server_info(**options(command, "deadlineMs")))).version}


def note(command: dict[str, Any], text: str) -> Callable[..., None]:
    return lambda *_: say(id=command["id"], note=text)


async def subscribe(command: dict[str, Any]) -> dict[str, Any]:
    how = options(command, *FILTER, "stream", "afterVersion", "fromNow", "startMustExist", "heartbeatMs")
    subscription = client(command).subscribe(
        on_caught_up=note(command, "caughtUp"),
        on_fell_behind=note(command, "fellBehind"),
        on_reconnect=note(command, "reconnect"),
        **how,
    )
    if not IS_ASYNC:
        stops[command["id"]] = subscription.stop
    try:
        async for event in items(subscription):
            say(id=command["id"], event=event_line(event))
            await pause(command.get("pauseMs", 0))
    except asyncio.CancelledError:
        pass  # by stop
    return fields(subscription, "position")


class Failed(Exception):
    pass


OUTCOMES: dict[str, tuple[type[Exception], str]] = {
    "park": (sluice.ParkEvent, "parked"),
    "skip": (sluice.SkipEvent, "skipped"),
    "fail": (Failed, "failed"),
}


async def consume(command: dict[str, Any]) -> dict[str, Any]:
    async def handle(event: sluice.RecordedEvent, context: sluice.HandlerContext) -> None:
        say(id=command["id"], event={**event_line(event), "attempt": context.attempt})
        outcome = command.get("onType", {}).get(event.type)
        if outcome is not None:
            error, text = OUTCOMES[outcome]
            raise error(f"{text} by the driver")

    consumer = client(command).consumer(
        command["group"],
        function(handle),
        on_caught_up=note(command, "caughtUp"),
        on_joined=note(command, "joined"),
        on_refused=note(command, "refused"),
        on_reconnect=note(command, "reconnect"),
        **options(command, "concurrency", "heartbeatMs", "member"),
    )
    stops[command["id"]] = consumer.stop
    await done(consumer.run())
    return {}


async def create_group(command: dict[str, Any]) -> dict[str, Any]:
    settings = sluice.GroupSettings(patterns=command["patterns"], **options(command, "query", "attemptsMax"))
    await done(client(command).groups.create(command["group"], settings))
    return {}


async def list_parked(command: dict[str, Any]) -> dict[str, Any]:
    loop = client(command).groups.list_parked(command["group"])
    return {"parked": [fields(one, "stream", "version", "reason") async for one in items(loop)]}


async def erase(command: dict[str, Any]) -> dict[str, Any]:
    how = options(command, "commitId", "deadlineMs")
    versions = int(command["fromVersion"]), int(command["toVersion"])
    change = await done(client(command).streams.erase(command["stream"], *versions, command["reason"], **how))
    return fields(change, "changed", "replayed", "commit_id")


async def retry_on_conflict(command: dict[str, Any]) -> dict[str, Any]:
    store, stream = client(command), command["stream"]
    attempts = collisions = 0

    async def load() -> int:
        nonlocal attempts, collisions
        attempts += 1
        loop = store.read_stream(stream)
        async for _ in items(loop):
            pass
        if collisions < command["collisions"]:
            collisions += 1
            await done(store.append(stream, [sluice.NewEvent(type="Collision")]))
        return int(loop.head.version)

    async def decide(expected: int) -> Any:
        return await done(store.append(stream, [new_event(command["event"])], expected_version=expected))

    retry = sluice.retry_on_conflict_async if IS_ASYNC else sluice.retry_on_conflict
    result = await done(retry(function(load), function(decide), **options(command, "attemptsMax")))
    return {"attempts": attempts, **fields(result, "version")}


async def retry_on_condition(command: dict[str, Any]) -> dict[str, Any]:
    store, stream = client(command), command["stream"]
    seen: list[int] = []

    async def decide(events: Sequence[sluice.RecordedEvent], condition: sluice.AppendCondition) -> Any:
        seen.append(len(events))
        event = new_event(command["event"])
        if len(seen) <= command["collisions"]:
            await done(store.append(f"{stream}.other", [sluice.NewEvent(type="Collision", tags=event.tags)]))
        return await done(store.append(stream, [event], condition=condition))

    retry = sluice.retry_on_condition_async if IS_ASYNC else sluice.retry_on_condition
    query = event_query(command["query"])
    result = await done(retry(store, query, function(decide), **options(command, "attemptsMax")))
    return {"seen": seen, **fields(result, "version")}


async def stop(command: dict[str, Any]) -> dict[str, Any]:
    stops[command["call"]]()
    return {}


COMMANDS = {
    camel(work.__name__): work
    for work in (connect, close, append, append_multi, open_session, session_append, close_session)
    + (read_stream, read_all, read_by_correlation, get_version, server_info, subscribe, consume)
    + (create_group, list_parked, erase, retry_on_conflict, retry_on_condition, stop)
}
AT_ONCE = ("connect", "openSession", "stop")
ARGUMENTS = {
    *"""id do client addresses options stream events expectedVersion commitId deadlineMs appends checks session pendingMax inOrder
    fromVersion toVersion direction maxCount eventTypes patterns eventTypePrefixes after toPosition permittedOnly correlationId
    afterVersion fromNow startMustExist heartbeatMs pauseMs group concurrency member onType attemptsMax event collisions
    reason call query condition""".split()
}


async def execute(command: dict[str, Any]) -> None:
    try:
        work = COMMANDS.get(command["do"])
        if work is None or not command.keys() <= ARGUMENTS:
            raise UnknownCommand(f"there is no such command, or an argument is unknown: {command}")
        say(id=command["id"], result=await work(command))
    except BaseException as error:
        scope = scopes.get(command["id"])
        say(id=command["id"], error=error_line(error, scope is not None and scope.cancelled))


# The appends of a session are sent in the order of the commands: each thread waits until the one before has sent.
turns: dict[int, threading.Event] = {}
last_turns: dict[str, threading.Event] = {}


def turn_over(command: dict[str, Any]) -> None:
    if not IS_ASYNC:
        turns[command["id"]].set()


def in_thread(command: dict[str, Any]) -> None:
    session = command.get("session", "")
    before = last_turns.get(session)
    turn = turns[command["id"]] = threading.Event()
    if session:
        last_turns[session] = turn
    scope = scopes[command["id"]] = sluice.CancelScope()
    stops[command["id"]] = scope.cancel

    def run() -> None:
        if before is not None:
            before.wait()
        with scope:
            run_now(execute(command))
        turn.set()

    threading.Thread(target=run, daemon=True).start()


def main_with_threads() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command.get("do") in AT_ONCE:
            run_now(execute(command))
        else:
            in_thread(command)
    for one in clients.values():
        one.close()


async def main_with_asyncio() -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read_lines() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read_lines, daemon=True).start()
    tasks: set[asyncio.Task[None]] = set()
    while line := await lines.get():
        command = json.loads(line)
        if command.get("do") in AT_ONCE:
            await execute(command)
            continue
        task = asyncio.create_task(execute(command))
        stops.setdefault(command["id"], task.cancel)
        await asyncio.sleep(0)  # one that is cancelled before it begins says nothing
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for one in clients.values():
        await one.close()
    await asyncio.wait(tasks, timeout=3) if tasks else None


say(driver=f"Python {platform.python_version()}, grpcio {grpc.__version__}, {MODE}")
if IS_ASYNC:
    asyncio.run(main_with_asyncio())
else:
    main_with_threads()
