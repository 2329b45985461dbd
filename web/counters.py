"""What the web process counts. OpenTelemetry's API alone: whoever composes the process decides where it goes."""

from opentelemetry.metrics import Counter, Meter, get_meter

from config import metrics


class Counters:
    """Instruments of ingress and dispatcher. ``meter`` is for tests."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or get_meter("orderwright.web")

        def counter(metric: metrics.Metric) -> Counter:
            return meter.create_counter(metric.name, metric.unit, metric.meaning)

        self._received = counter(metrics.WEBHOOKS_RECEIVED)
        self._duplicate = counter(metrics.WEBHOOKS_DUPLICATE)
        self._refused = counter(metrics.WEBHOOKS_REFUSED)
        self._handed_over = counter(metrics.WEBHOOKS_HANDED_OVER)
        self._echo = counter(metrics.WEBHOOKS_ECHO)
        self._failed = counter(metrics.WEBHOOKS_HAND_OVER_FAILED)
        delay = metrics.WEBHOOKS_DELAY
        self._delay = meter.create_histogram(delay.name, delay.unit, delay.meaning)

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

    def echo(self, channel: str, topic: str) -> None:
        """A webhook was no news to its order."""
        self._echo.add(1, {"channel": channel, "topic": topic})

    def hand_over_failed(self, kind: str) -> None:
        """A try failed; ``kind`` is ``away`` (Temporal) or ``row`` (this webhook alone)."""
        self._failed.add(1, {"kind": kind})
