"""Where traces and metrics of a process go: to one collector, by OTLP over HTTP, and only where a setting names it.

Metrics are the Temporal SDK's own (``temporal_*``) and ours (``config.metrics``); traces are ours and Temporal's. The
exporters live here alone: everything below this layer knows OpenTelemetry's API.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes
from temporalio.runtime import OpenTelemetryConfig, Runtime, TelemetryConfig

PERIOD_MILLISECONDS = "15000"
"""Between two exports of metrics, where OpenTelemetry's own OTEL_METRIC_EXPORT_INTERVAL does not say otherwise."""
EXPORT_SECONDS = 5
"""Longest wait for the collector; what it does not take in time is dropped, and never holds up an order."""
SECONDS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)

NO_TRACE = frozenset({"StartWorkflow:ErpFeedWorkflow", "RunActivity:follow_erp_changes"})
"""Where the change feed begins: it never ends. What it brought an order is told by the order's own trace."""


class Worth(Sampler):
    """Which traces are begun: a share of them, and none of what polls for ever."""

    def __init__(self, share: float) -> None:
        self._share = TraceIdRatioBased(share)

    def should_sample(  # noqa: PLR0917  the base's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See ``Sampler``."""
        if name in NO_TRACE:
            return SamplingResult(Decision.DROP)
        return self._share.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """See ``Sampler``."""
        return f"Worth({self._share.get_description()})"


@contextmanager
def exported(endpoint: str | None, role: str, *, trace_share: float = 1.0) -> Iterator[None]:
    """Export while the block runs; without an endpoint do nothing. Enter once, before anything connects to Temporal.

    What is left is sent on the way out, for at most some seconds.
    """
    if endpoint is None:
        yield
        return
    base = endpoint.rstrip("/")
    period_seconds = int(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", PERIOD_MILLISECONDS)) / 1000
    resource = {
        "service.name": f"orderwright-{role}",
        "service.version": version("orderwright"),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    _export_temporal(base, resource, period_seconds)
    meters = _meters(base, Resource.create(resource), period_seconds)
    tracers = _tracers(base, Resource.create(resource), trace_share)
    metrics.set_meter_provider(meters)
    trace.set_tracer_provider(tracers)
    # A collector that is away is told once a period by the exporter; its retries say nothing new.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    try:
        yield
    finally:
        tracers.shutdown()
        meters.shutdown(timeout_millis=EXPORT_SECONDS * 1000)


def _export_temporal(base: str, resource: dict[str, str], period_seconds: float) -> None:
    """The SDK's own metrics. What it calls global tags are, by OTLP, the resource: which process they are of."""
    config = OpenTelemetryConfig(
        url=f"{base}/v1/metrics",
        http=True,
        metric_periodicity=timedelta(seconds=period_seconds),
        durations_as_seconds=True,
    )
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(metrics=config, global_tags=resource)))


def _meters(base: str, resource: Resource, period_seconds: float) -> MeterProvider:
    exporter = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=EXPORT_SECONDS)
    reader = PeriodicExportingMetricReader(
        exporter,
        export_interval_millis=period_seconds * 1000,
        export_timeout_millis=EXPORT_SECONDS * 1000,
    )
    seconds = View(
        instrument_type=Histogram,
        instrument_name="orderwright.*",
        aggregation=ExplicitBucketHistogramAggregation(SECONDS_BUCKETS),
    )
    return MeterProvider([reader], resource, views=[seconds], shutdown_on_exit=False)


def _tracers(base: str, resource: Resource, share: float) -> TracerProvider:
    provider = TracerProvider(sampler=ParentBased(Worth(share)), resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_SECONDS * 1000))
    return provider
