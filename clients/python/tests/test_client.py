"""What only this client has: two kinds, threads, interrupts. What all clients have in common is judged by test/clients."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from sluice_eventstore import (
    CallCancelledError,
    CancelScope,
    Client,
    HandlerContext,
    NewEvent,
    RecordedEvent,
    StreamAppend,
    StreamError,
    VersionConflictError,
    connect,
    connect_async,
    json_event,
    parse_json,
    retry_on_conflict,
)
from sluice_eventstore.v1.consumer_group_service_pb2 import GroupSettings, GroupStart

LONG = 60.0


def events(count: int) -> list[NewEvent]:
    return [json_event("T", {"i": i}) for i in range(count)]


def run(script: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_both_kinds_of_clients_do_the_same(client: Client, address: str, name: str) -> None:
    appended = client.append(name, [*events(2), NewEvent(type="B", data=b"\0", tags=["a"], metadata={"k": "v"})])
    loop = client.read_stream(name)
    read = list(loop)
    assert [(event.version, event.type, event.data) for event in read] == [
        (1, "T", '{"i":0}'),
        (2, "T", '{"i":1}'),
        (3, "B", b"\0"),
    ]
    assert (read[2].tags, read[2].metadata, loop.head.version) == (("a",), {"k": "v"}, 3)

    async def same() -> None:
        async with connect_async(address) as other:
            assert await other.append(name, [], expected_version=3) == client.append(name, [])
            again = other.read_stream(name, from_time=read[0].commit_time, to_time=read[0].commit_time + timedelta(seconds=1))
            assert [event async for event in again] == read
            assert again.head == loop.head == client.get_version(name)
            assert [one async for one in other.list_streams(pattern=name)] == list(client.list_streams(pattern=name))
            assert (await other.server_info()).store == client.server_info().store

    asyncio.run(same())
    assert appended.version == 3


def test_validate_only_stores_nothing(client: Client, name: str) -> None:
    result = client.append(name, events(2), expected_version=0, validate_only=True)
    assert (result.version, result.first_version, result.position, result.commit_id) == (2, 1, 0, "")
    transaction = client.append_multi([StreamAppend(name, events(2))], validate_only=True)
    assert (transaction.position, transaction.streams[0].version, transaction.commit_id) == (0, 2, "")
    assert client.get_version(name).version == 0
    with pytest.raises(VersionConflictError):
        client.append(name, events(1), expected_version=1, validate_only=True)


def test_a_commit_is_found_by_its_id(client: Client, name: str) -> None:
    appended = client.append(name, events(2))
    found = client.get_commit(appended.commit_id)
    assert found is not None
    assert (found.position, [(one.stream, one.version) for one in found.streams]) == (appended.position, [(name, 2)])
    assert client.get_commit("0190f3a1-0000-7000-8000-000000000009") is None


def test_a_loop_that_is_left_goes_on_at_its_cursor(client: Client, name: str) -> None:
    for _ in range(3):
        client.append(name, events(3))
    loop = client.read_all(patterns=[name])
    taken = []
    for event in loop:
        taken.append(event.version)
        if len(taken) == 5:
            break
    rest = [event.version for event in client.read_all(patterns=[name], after=loop.cursor)]
    assert taken + rest == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    subscription = client.subscribe(patterns=[name], after=loop.cursor)
    for expected, event in zip([6, 7], subscription):
        assert event.version == expected
    for expected, event in zip([8, 9], subscription):
        assert event.version == expected


def test_a_subscription_is_stopped_from_another_thread(client: Client, name: str) -> None:
    live = threading.Event()
    seen: list[int] = []
    subscription = client.subscribe(patterns=[name], on_caught_up=live.set)
    with ThreadPoolExecutor() as threads:
        following = threads.submit(lambda: seen.extend(event.version for event in subscription))
        assert live.wait(LONG)
        client.append(name, events(2))
        while len(seen) < 2:
            client.get_version(name)
        subscription.stop()
        following.result(LONG)
    assert seen == [1, 2]


INTERRUPTED = """
import sys
from sluice_eventstore import connect
client = connect(sys.argv[1])
for event in client.subscribe(patterns=[sys.argv[2]], on_caught_up=lambda: print("live", flush=True)):
    pass
"""


def test_an_interrupt_ends_a_wait(address: str, name: str) -> None:
    with run(INTERRUPTED, address, name) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "live\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().endswith("KeyboardInterrupt\n")
    assert process.returncode == -signal.SIGINT


BOTH_AT_ONCE = """
import asyncio, sys
from sluice_eventstore import connect, connect_async, json_event
address, name = sys.argv[1:]
client = connect(address)

async def main():
    async with connect_async(address) as other:
        for i in range(20):
            await asyncio.gather(
                other.append(f"{name}.a", [json_event("T", i)]),
                asyncio.to_thread(client.append, f"{name}.b", [json_event("T", i)]),
            )
        print((await other.get_version(f"{name}.a")).version, client.get_version(f"{name}.b").version)

asyncio.run(main())
"""


def test_both_kinds_in_one_process_say_nothing_and_end_with_it(address: str, name: str) -> None:
    with run(BOTH_AT_ONCE, address, name) as process:
        assert process.communicate() == ("20 20\n", "")
    assert process.returncode == 0


OWN_STUBS = """
import sys
sys.path.insert(0, sys.argv[1])
from sluice.v1 import event_pb2 as own
from sluice_eventstore.v1 import event_pb2
assert event_pb2.Event.FromString(own.Event(type="T").SerializeToString()).type == "T"
"""


def test_a_program_can_have_stubs_of_its_own(tmp_path: object) -> None:
    from pathlib import Path

    import grpc_tools
    from grpc_tools import protoc

    proto = Path(__file__).parents[3] / "proto"
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    flags = [f"--proto_path={proto}", f"--proto_path={well_known}", f"--python_out={tmp_path}"]
    assert protoc.main(["protoc", *flags, "sluice/v1/event.proto"]) == 0
    with run(OWN_STUBS, str(tmp_path)) as process:
        assert process.communicate() == ("", "")


def test_threads_share_a_client(client: Client, name: str) -> None:
    def append_after_reading(_: int) -> None:
        def decide(version: int) -> object:
            return client.append(name, events(1), expected_version=version)

        retry_on_conflict(lambda: client.get_version(name).version, decide, attempts_max=1000)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append_after_reading, range(40)))
    assert [event.version for event in client.read_stream(name)] == list(range(1, 41))


def test_appends_of_a_session(client: Client, name: str) -> None:
    with client.append_session(pending_max=16) as session:
        sent = [session.append(name, events(1), expected_version=i) for i in range(50)]
        assert [one.result(LONG).version for one in sent] == list(range(1, 51))
        failed = session.append(name, events(1), expected_version=7)
        relying = session.append(name, events(1), expected_version=8)
        assert isinstance(failed.exception(LONG), VersionConflictError)
        assert isinstance(relying.exception(LONG), VersionConflictError)
    with pytest.raises(CallCancelledError):
        session.append(name, events(1))


def test_an_append_that_relied_on_a_failed_one_has_its_error_as_cause(address: str, name: str) -> None:
    async def main() -> None:
        async with connect_async(address) as client, client.append_session() as session:
            first = await session.append(name, events(1), expected_version=3)
            second = await session.append(name, events(1), expected_version=4)
            with pytest.raises(VersionConflictError):
                await first
            with pytest.raises(VersionConflictError) as relying:
                await second
            assert relying.value.__cause__ is first.exception()

    asyncio.run(main())


def test_a_cancelled_call_ends_and_the_client_goes_on(address: str, name: str) -> None:
    async def main() -> None:
        async with connect_async([address, closed_port()]) as client:
            live = asyncio.Event()
            subscription = client.subscribe(patterns=[name], on_caught_up=live.set)

            async def follow() -> None:
                async for _ in subscription:
                    raise AssertionError("there are no events")

            following = asyncio.create_task(follow())
            await asyncio.wait_for(live.wait(), LONG)
            following.cancel()
            with pytest.raises(asyncio.CancelledError):
                await following
            appending = asyncio.create_task(client.append(name, events(1), expected_version=0))
            await asyncio.sleep(0)
            appending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await appending
            assert (await client.append(f"{name}.2", events(1))).version == 1

    asyncio.run(main())


def test_a_scope_that_is_cancelled_ends_what_waits_and_what_comes_later(client: Client, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, connect(f"127.0.0.1:{silent.getsockname()[1]}") as other:
        scopes = [CancelScope() for _ in range(3)]

        def append() -> None:
            with scopes[0], pytest.raises(CallCancelledError):
                other.append(name, events(1))

        def read() -> None:
            with scopes[1], pytest.raises(CallCancelledError):
                list(other.read_stream(name))

        def follow() -> None:
            with scopes[2]:
                for event in client.subscribe(stream=name, on_caught_up=scopes[2].cancel):
                    raise AssertionError(event)

        with ThreadPoolExecutor() as threads:
            waiting = [threads.submit(append), threads.submit(read), threads.submit(follow)]
            while not all(scope._pending for scope in scopes[:2]):
                client.get_version(name)
            for scope in scopes[:2]:
                scope.cancel()
            for one in waiting[:2]:
                one.result(LONG)
            with pytest.raises(CallCancelledError):
                waiting[2].result(LONG)
    with scopes[0], CancelScope(), pytest.raises(CallCancelledError):
        client.append(name, events(1))
    assert client.append(name, events(1), expected_version=0).version == 1


def test_a_client_that_is_closed_ends_its_calls(address: str, name: str) -> None:
    client = connect(address)
    live = threading.Event()
    subscription = client.subscribe(patterns=[name], on_caught_up=live.set)
    with ThreadPoolExecutor() as threads:
        following = threads.submit(lambda: list(subscription))
        assert live.wait(LONG)
        client.close()
        with pytest.raises(CallCancelledError, match="closed"):
            following.result(LONG)
    with pytest.raises(CallCancelledError, match="closed"):
        client.get_version(name)
    with pytest.raises(CallCancelledError, match="closed"):
        client.append(name, events(1))


def test_an_address_without_a_gateway_costs_no_error(address: str, name: str) -> None:
    with connect([closed_port(), address, closed_port()]) as client:
        for i in range(20):
            assert client.append(name, events(1), expected_version=i).version == i + 1
            assert client.get_version(name).version == i + 1


def test_streams_are_truncated_bounded_deleted_and_tombstoned(client: Client, name: str) -> None:
    with pytest.raises(StreamError) as missing:
        client.streams.get(name)
    assert (missing.value.code, missing.value.stream) == ("STREAM_NOT_FOUND", name)
    client.append(name, events(9))
    change = client.streams.truncate(name, 4, expected_version=9)
    assert (change.changed, change.stream.first_version, change.stream.truncated_before) == (True, 4, 4)
    with pytest.raises(StreamError) as split:
        client.streams.erase(name, 8, 8, "asked for")
    assert split.value.code == "ERASE_SPLITS_COMMIT"
    kept = client.streams.set_retention(name, max_count=2, max_age=timedelta(days=1)).stream
    assert (kept.max_count, kept.max_age, kept.first_version) == (2, timedelta(days=1), 8)
    assert [(event.version, event.erased) for event in client.read_stream(name)] == [(8, False), (9, False)]
    assert client.streams.delete(name).stream.state == "deleted"
    assert client.append(name, events(1)).version == 10
    assert client.streams.erase(name, 10, 10, "asked for").changed
    assert [(event.version, event.erased, event.data) for event in client.read_stream(name)] == [(10, True, None)]
    assert client.streams.tombstone(name).stream.state == "tombstoned"
    with pytest.raises(StreamError) as ended:
        client.append(name, events(1))
    assert ended.value.code == "STREAM_TOMBSTONED"


def test_a_consumer_in_threads_has_each_stream_in_order_and_one_at_a_time(client: Client, name: str) -> None:
    for i in range(10):
        for stream in "abcd":
            client.append(f"{name}.{stream}", events(1), expected_version=i)
    client.groups.create(name, GroupSettings(patterns=[f"{name}.*"], backoff_min=timedelta(milliseconds=10)))
    seen: dict[str, list[int]] = {}
    inside: Counter[str] = Counter()
    failed: list[Exception] = []
    most = 0
    several = threading.Event()

    def handle(event: RecordedEvent, context: HandlerContext) -> None:
        nonlocal most
        inside[event.stream] += 1
        most = max(most, sum(inside.values()))
        if most == 4:
            several.set()
        several.wait(LONG)
        assert inside[event.stream] == 1
        inside[event.stream] -= 1
        if event.version == 5 and context.attempt == 1:
            raise RuntimeError("not yet")
        seen.setdefault(event.stream, []).append(event.version)
        if sum(len(versions) for versions in seen.values()) == 40:
            consumer.stop()

    consumer = client.consumer(name, handle, concurrency=4, on_failed=lambda error, event: failed.append(error))
    consumer.run()
    assert seen == {f"{name}.{stream}": list(range(1, 11)) for stream in "abcd"}
    assert (most, len(failed)) == (4, 4)
    state = client.groups.get(name)
    assert (state.parked_count, len(state.members), max(lane.lag for lane in state.lanes)) == (0, 0, 0)
    client.groups.reset(name, GroupStart(end=True))
    assert name in [group.name for group in client.groups.list()]
    assert client.groups.delete(name)


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_a_handler_that_takes_too_long_learns_it_and_gets_the_event_again(
    client: Client, address: str, name: str, kind: str
) -> None:
    client.append(name, events(1))
    settings = GroupSettings(patterns=[name], ack_timeout=timedelta(seconds=1), backoff_min=timedelta(milliseconds=10))
    client.groups.create(name, settings)
    attempts: list[tuple[int, bool]] = []

    if kind == "threads":

        def handle(event: RecordedEvent, context: HandlerContext) -> None:
            while not context.lost and context.attempt == 1:
                threading.Event().wait(0.01)
            attempts.append((context.attempt, context.lost))
            if context.attempt == 2:
                consumer.stop()

        consumer = client.consumer(name, handle)
        consumer.run()
    else:

        async def main() -> None:
            async def handle_async(event: RecordedEvent, context: HandlerContext) -> None:
                try:
                    if context.attempt == 1:
                        await asyncio.sleep(LONG)
                finally:
                    attempts.append((context.attempt, context.attempt == 1))
                consumer.stop()

            async with connect_async(address) as other:
                consumer = other.consumer(name, handle_async)
                await consumer.run()

        asyncio.run(main())
    assert attempts == [(1, True), (2, False)]


def test_a_callback_that_raises_ends_the_consumer(client: Client, name: str) -> None:
    client.append(name, events(1))
    client.groups.create(name, GroupSettings(patterns=[name]))

    def handle(event: RecordedEvent, context: HandlerContext) -> None:
        raise RuntimeError(parse_json(event)["i"])

    def fail(error: Exception, event: object) -> None:
        raise LookupError("in the callback") from error

    with pytest.raises(LookupError, match="in the callback"):
        client.consumer(name, handle, on_failed=fail).run()


def test_futures_of_a_session_may_be_given_up(client: Client, name: str) -> None:
    with client.append_session() as session:
        sent = [session.append(name, events(1)) for _ in range(20)]
        for one in sent[::2]:
            one.cancel()
        wait(sent, LONG)
    assert client.get_version(name).version == 20
