"""The spans of our own, by OpenTelemetry's API alone: without a provider, which a setting brings, they cost nothing.

They hold names and numbers: system, operation, order, status, error. Never a body, a token, or a buyer's data. No
trace context goes to an outside system: it would tell strangers how we work, and nobody there continues the trace.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.concern import concerned
from config import metrics

ORDER = "orderwright.order"
SYSTEM = "orderwright.system"
OPERATION = "orderwright.operation"
WRITES = "orderwright.writes"
ERROR = "error.type"

_tracer = trace.get_tracer("orderwright")
_meter = otel_metrics.get_meter("orderwright.adapters")
_lookups = _meter.create_counter(metrics.LOOKUPS.name, metrics.LOOKUPS.unit, metrics.LOOKUPS.meaning)
_w3c = TraceContextTextMapPropagator()


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | bool] | None = None,
    parent: Context | None = None,
) -> Iterator[Span]:
    """A span around the block; an exception ends it as an error that is named, but not quoted.

    An exception's words may hold what a system answered, so they stay out of the trace.
    """
    order = concerned().get("order")
    known = {ORDER: order, **(attributes or {})} if order is not None else dict(attributes or {})
    with _tracer.start_as_current_span(
        name, parent, kind, known, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute(ERROR, type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def traceparent() -> str | None:
    """The present place in its trace, as W3C writes it; None where nothing is traced."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return carrier.get("traceparent")


def continued(kept: str | None) -> Context | None:
    """The place that ``traceparent`` gave earlier, as a parent; an unreadable one is none."""
    return None if kept is None else _w3c.extract({"traceparent": kept}, Context())


def trace_ids() -> tuple[str, str] | None:
    """Trace and span id, in hex, of where we are; None outside of a trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


def looked_up(system: str, what: str, *, found: bool) -> None:
    """A write looked first whether an earlier try had done it; ``what`` is a fixed word, such as ``order``."""
    _lookups.add(1, {"system": system, "what": what, "found": found})
    trace.get_current_span().add_event("looked up", {"what": what, "found": found})
