"""Events, cursors, ids and arguments, without a gateway."""

import time
import uuid
from datetime import datetime

import pytest

from sluice_eventstore import NewEvent, RecordedEvent, connect, connect_async, json_event, parse_json, uuid7
from sluice_eventstore._channel import is_local
from sluice_eventstore._cursor import Cursor


def recorded(data: str | bytes | None) -> RecordedEvent:
    return RecordedEvent("a", 1, 1, "i", "T", data, "", "i", "i", (), {}, 0)


@pytest.mark.parametrize("value", [None, 1, "ü", [1, {"a": "b"}], {"total": 30}])
def test_json_is_read_back_from_text_and_from_bytes(value: object) -> None:
    event = json_event("T", value, correlation_id="c")
    assert (event.content_type, event.correlation_id) == ("application/json", "c")
    assert isinstance(event.data, str)
    assert parse_json(recorded(event.data)) == value
    assert parse_json(recorded(event.data.encode())) == value


@pytest.mark.parametrize("data", [None, "", b"\xff", "{"])
def test_what_is_not_json_is_a_value_error(data: str | bytes | None) -> None:
    with pytest.raises(ValueError):
        parse_json(recorded(data))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_what_json_cannot_express_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        json_event("T", value)


def test_a_uuid_7_has_the_time_and_is_new_each_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid.UUID(uuid7()) for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert all(before <= one.int >> 80 <= after for one in made)


@pytest.mark.parametrize("text", ["0", "7", "7+2", "7@store", "18446744073709551615+3@6c32209b-6f17"])
def test_a_cursor_is_a_text(text: str) -> None:
    assert Cursor(text).text == text


def test_a_cursor_counts_the_events_of_a_commit() -> None:
    cursor = Cursor("7+2@s")
    cursor.on_event(7)
    assert cursor.text == "7+3@s"
    cursor.on_event(9)
    assert cursor.text == "9+1@s"
    cursor.on_position(9)
    assert cursor.text == "9@s"
    assert Cursor(None).text is None


@pytest.mark.parametrize("after", ["", "x", "1+", "1@", "-1", "1 "])
def test_what_is_not_a_cursor_is_refused(after: str) -> None:
    with connect("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match="cursor"):
            client.read_all(after=after)
        with pytest.raises(ValueError, match="cursor"):
            client.subscribe(after=after)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:50051", True),
        ("127.9.9.9", True),
        ("localhost:1", True),
        ("LOCALHOST", True),
        ("[::1]:50051", True),
        ("::1", True),
        ("unix:/run/sluice", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", True),
        ("dns:///localhost:1", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example.com:1", False),
        ("127.0.0.1.example.com:1", False),
        ("gateway:1", False),
    ],
)
def test_a_token_leaves_this_machine_only_over_tls(address: str, expected: bool) -> None:
    assert is_local(address) == expected
    if expected:
        connect(address, token="t")
    else:
        with pytest.raises(ValueError, match="plain text"):
            connect(["127.0.0.1:1", address], token="t")
        connect(address, token="t", tls=True)


@pytest.mark.parametrize("token", ["", "a b", "ü", "a\nb"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValueError, match="ASCII characters without spaces, and at least one of them$"):
        connect_async("127.0.0.1:1", token=token)


def test_options_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        connect([])
    with pytest.raises(ValueError, match="timeout"):
        connect("127.0.0.1:1", timeout=0)
    with pytest.raises(ValueError, match="append_attempts_max"):
        connect("127.0.0.1:1", append_attempts_max=0)
    with pytest.raises(ValueError, match="authorization"):
        connect("127.0.0.1:1", token="t", metadata={"Authorization": "x"})


def test_arguments_that_cannot_be_sent_are_refused_at_once() -> None:
    with connect("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match="direction"):
            client.read_stream("a", direction="up")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="time zone"):
            client.read_all(from_time=datetime(2026, 1, 1))
        with pytest.raises(ValueError):
            client.read_stream("a", from_version=-1)
        with pytest.raises(ValueError):
            client.append("a", [NewEvent(type="\ud800")])
        with pytest.raises(TypeError):
            client.append("a", [NewEvent(type="T", data={"a": 1})])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="together"):
            client.subscribe(stream="a", after=1, after_version=1)
        with pytest.raises(ValueError, match="concurrency"):
            client.consumer("g", lambda event, context: None, concurrency=0)
        with pytest.raises(ValueError, match="timeout"):
            client.get_version("a", timeout=0)
