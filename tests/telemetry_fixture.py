"""Traces and metrics kept in memory. OpenTelemetry's providers are the process's own: they are set once for a run."""

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

Labels = frozenset[tuple[str, object]]


class Kept(SpanExporter):
    """Keeps spans while a test asks for them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.spans is not None:
            self.spans.extend(spans)
        return SpanExportResult.SUCCESS


class Traced:
    """The spans that ended since the test began."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def all(self) -> list[ReadableSpan]:
        return sorted(self._kept.spans or [], key=lambda span: span.start_time or 0)

    def of(self, trace_id: int) -> list[ReadableSpan]:
        return [span for span in self.all() if span.context.trace_id == trace_id]

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]


class Measured:
    """What the process's own meter has counted."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def points(self) -> dict[str, dict[Labels, float]]:
        """Value, or number of records of a histogram, by metric and labels."""
        found: dict[str, dict[Labels, float]] = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else []:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = getattr(point, "value", None)
                        found.setdefault(metric.name, {})[frozenset((point.attributes or {}).items())] = (
                            value if value is not None else point.count
                        )
        return found

    def value(self, metric: str, **labels: object) -> float:
        return self.points().get(metric, {}).get(frozenset(labels.items()), 0)


@cache
def _spans() -> "Kept":
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@cache
def _reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return reader


@pytest.fixture
def traced() -> Iterator[Traced]:
    """What is traced during the test."""
    kept = _spans()
    kept.spans = []
    yield Traced(kept)
    kept.spans = None


@pytest.fixture
def measured() -> Measured:
    """What is counted, from the first test on that asked for it."""
    return Measured(_reader())
