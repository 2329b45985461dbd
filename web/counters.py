"""What the web process counts. OpenTelemetry's API alone: whoever composes the process decides where it goes."""

from opentelemetry.metrics import Meter, get_meter


class Counters:
    """Instruments of ingress and dispatcher. ``meter`` is for tests."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or get_meter("orderwright.web")
        self._received = meter.create_counter(
            "orderwright.webhooks.received", description="webhooks kept, by channel and topic"
        )
        self._duplicate = meter.create_counter(
            "orderwright.webhooks.duplicate", description="webhooks that had been kept before, by channel"
        )
        self._refused = meter.create_counter(
            "orderwright.webhooks.refused", description="webhooks answered other than 2xx, by reason"
        )
        self._handed_over = meter.create_counter(
            "orderwright.webhooks.handed_over", description="webhooks that reached their workflow"
        )
        self._failed = meter.create_counter(
            "orderwright.webhooks.hand_over_failed", description="tries to hand over that failed, by kind"
        )
        self._delay = meter.create_histogram(
            "orderwright.webhooks.delay", unit="s", description="from the inbox to the workflow"
        )

    def received(self, channel: str, topic: str) -> None:
        """A webhook was kept."""
        self._received.add(1, {"channel": channel, "topic": topic})

    def duplicate(self, channel: str) -> None:
        """A webhook came again."""
        self._duplicate.add(1, {"channel": channel})

    def refused(self, reason: str) -> None:
        """A request was not answered 2xx. No channel: what a stranger writes into an address makes no time series."""
        self._refused.add(1, {"reason": reason})

    def handed_over(self, channel: str, seconds: float) -> None:
        """A webhook reached its workflow, this long after it was kept."""
        self._handed_over.add(1, {"channel": channel})
        self._delay.record(seconds, {"channel": channel})

    def hand_over_failed(self, kind: str) -> None:
        """A try failed; ``kind`` is ``away`` (Temporal) or ``row`` (this webhook alone)."""
        self._failed.add(1, {"kind": kind})
