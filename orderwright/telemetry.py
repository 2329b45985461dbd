"""Metrics of a process: the Temporal SDK's own (latencies, failures, free slots), sent to a collector by OTLP."""

from datetime import timedelta

from temporalio.runtime import OpenTelemetryConfig, Runtime, TelemetryConfig

PERIOD_SECONDS = 15.0


def export_metrics(endpoint: str | None, *, period_seconds: float = PERIOD_SECONDS) -> None:
    """Export from now on; without an endpoint do nothing. Call once, before the first connection to Temporal."""
    if endpoint is None:
        return
    config = OpenTelemetryConfig(
        url=f"{endpoint.rstrip('/')}/v1/metrics",
        http=True,
        metric_periodicity=timedelta(seconds=period_seconds),
        durations_as_seconds=True,
    )
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(metrics=config)))
