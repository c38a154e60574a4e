"""Spans of OpenTelemetry, with its SDK in memory."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sluice_eventstore import Client, NewEvent, StreamError, connect
from sluice_eventstore._calls import Core
from sluice_eventstore._tracing import CallSpan

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("test")


def spans() -> list[ReadableSpan]:
    found = list(exporter.get_finished_spans())
    exporter.clear()
    return found


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def test_each_call_has_a_span_below_the_current_one(client: Client, name: str) -> None:
    exporter.clear()
    with tracer.start_as_current_span("outside") as outside:
        client.append(name, [NewEvent(type="T")])
        assert [event.version for event in client.read_stream(name)] == [1]
        try:
            client.streams.get(f"{name}.missing")
        except StreamError:
            pass
        with client.append_session() as session:
            session.append(name, [NewEvent(type="T")]).result()
    own = outside.get_span_context().span_id
    found = [one for one in spans() if one.name != "outside"]
    assert {parent_of(one) for one in found} == {own}
    assert {(one.name, (one.attributes or {})["rpc.grpc.status_code"]) for one in found} == {
        ("sluice.v1.EventStoreService/Append", 0),
        ("sluice.v1.EventStoreService/ReadStream", 0),
        ("sluice.v1.StreamService/GetStream", 5),
        ("sluice.v1.EventStoreService/AppendSession append", 0),
        ("sluice.v1.EventStoreService/AppendSession", 0),
    }
    assert len(found) == 5


def test_calls_carry_their_spans(client: Client, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter.clear()
    sent: list[tuple[str, str]] = []
    metadata = Core.metadata

    def look(core: Core, token: str | None, span: CallSpan) -> list[tuple[str, str]]:
        found = metadata(core, token, span)
        sent.extend((key, value.rpartition("-")[0]) for key, value in found)  # without its flags
        return found

    monkeypatch.setattr(Core, "metadata", look)
    with tracer.start_as_current_span("outside"):
        client.append(name, [NewEvent(type="T")])
        list(client.read_stream(name))
    made = [one.context for one in spans() if one.name != "outside" and one.context is not None]
    assert sent == [("traceparent", f"00-{one.trace_id:032x}-{one.span_id:016x}") for one in made]
    assert len(sent) == 2


def test_events_keep_the_trace_that_they_were_appended_in(address: str, name: str) -> None:
    with connect(address, record_trace_context=True) as client:
        with tracer.start_as_current_span("outside") as outside:
            client.append(name, [NewEvent(type="T"), NewEvent(type="T", metadata={"traceparent": "own"})])
        client.append(name, [NewEvent(type="T")])
        first, second, third = client.read_stream(name)
    context = outside.get_span_context()
    assert first.metadata["traceparent"].startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert (second.metadata, third.metadata) == ({"traceparent": "own"}, {})


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from sluice_eventstore import NewEvent, connect
with connect(sys.argv[1], record_trace_context=True) as client:
    print(client.append(sys.argv[2], [NewEvent(type="T")]).version)
"""


def test_without_opentelemetry_there_are_no_spans(address: str, name: str) -> None:
    command = [sys.executable, "-c", WITHOUT, address, name]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
