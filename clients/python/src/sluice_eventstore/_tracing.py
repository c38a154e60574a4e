"""Spans of calls and the trace context of events, where OpenTelemetry is installed (`sluice-eventstore[opentelemetry]`)."""

from collections.abc import Mapping
from typing import Any

import grpc

try:
    from opentelemetry import propagate, trace
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:  # the extra is not installed
    trace = None  # type: ignore[assignment]


class CallSpan:
    """The span of one call to a gateway, below the current one, or of an append of a session. Without an SDK it does nothing."""

    def __init__(self, method: str, what: str = "") -> None:
        self._span: Any = None
        if trace is None:
            return
        service, _, name = method.partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": f"sluice.v1.{service}", "rpc.method": name}
        tracer = trace.get_tracer("sluice_eventstore")
        self._span = tracer.start_span(f"sluice.v1.{method}{what}", kind=SpanKind.CLIENT, attributes=attributes)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What makes the span of the gateway a child of this one."""
        carrier: dict[str, str] = {}
        if self._span is not None:
            propagate.inject(carrier, trace.set_span_in_context(self._span))
        return [(key.lower(), value) for key, value in carrier.items()]

    @property
    def trace_context(self) -> dict[str, str]:
        """The same for an append of a session; empty: there is no trace."""
        carrier: dict[str, str] = {}
        if self._span is not None:
            TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(self._span))
        return carrier

    def end(self, code: grpc.StatusCode | int) -> None:
        if self._span is None:
            return
        number = code if isinstance(code, int) else code.value[0]
        self._span.set_attribute("rpc.grpc.status_code", number)
        if number != 0:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def current_trace_context() -> Mapping[str, str]:
    """The current span as W3C names it, for the metadata of events; empty: there is no span."""
    carrier: dict[str, str] = {}
    if trace is not None:
        TraceContextTextMapPropagator().inject(carrier)
    return carrier
