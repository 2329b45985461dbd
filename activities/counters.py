"""What the workers count of their calls. OpenTelemetry's API alone: the process decides where it goes."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from config import metrics
from domain.stock import SettingOutcome, SettingState


class CallCounters:
    """Instruments of the calls that pass a gate. ``meter`` is for tests."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or get_meter("orderwright.calls")
        calls, duration = metrics.CALLS, metrics.CALL_DURATION
        self._calls = meter.create_counter(calls.name, calls.unit, calls.meaning)
        self._duration = meter.create_histogram(duration.name, duration.unit, duration.meaning)

    def ended(self, system: str, operation: str, outcome: str, seconds: float) -> None:
        """A call ended; ``outcome`` is ``done``, ``canceled`` or the name of a leaf of ``adapters.errors``."""
        self._calls.add(1, {"system": system, "operation": operation, "outcome": outcome})
        self._duration.record(seconds, {"system": system, "operation": operation})


class StockCounters:
    """Instruments of what storefronts are told of stock. ``meter`` is for tests."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or get_meter("orderwright.stock")
        settings, delay = metrics.STOCK_SETTINGS, metrics.STOCK_DELAY
        self._settings = meter.create_counter(settings.name, settings.unit, settings.meaning)
        self._delay = meter.create_histogram(delay.name, delay.unit, delay.meaning)

    def told(
        self, channel: str, outcomes: Iterable[SettingOutcome], since: Mapping[str, datetime], now: datetime
    ) -> None:
        """Numbers were set, or not; ``since`` tells, by SKU, when the change came."""
        for outcome in outcomes:
            self._settings.add(1, {"channel": channel, "outcome": outcome.state.value})
            changed = since.get(outcome.setting.sku)
            if changed is not None and outcome.state is SettingState.DONE:
                self._delay.record(max(0.0, (now - changed).total_seconds()), {"channel": channel})


class FeedClock:
    """When the ERP's changes were last read to their end. ``meter`` is for tests."""

    def __init__(self, meter: Meter | None = None) -> None:
        self._at: float | None = None
        metric = metrics.FEED_LAST_POLL
        (meter or get_meter("orderwright.feed")).create_observable_gauge(
            metric.name, [self._observe], metric.unit, metric.meaning
        )

    def read_to_the_end(self) -> None:
        """Every change there is was told to its order just now."""
        self._at = time.time()

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        return () if self._at is None else (Observation(self._at),)
