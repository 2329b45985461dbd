"""The gauges of what the store holds. The web process exports them, and no other role: else they were counted twice.

A deployment with several web processes exports them once each, with equal values; alert rules and dashboard take the
``max`` over processes, never the sum.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from threading import Lock

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from config import metrics
from config.metrics import Metric
from store.errors import DatabaseUnavailable
from store.figures import Figures

log = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
"""All gauges of one collection come from one reading of the store, and every other collection reads anew."""


class StoreGauges:
    """Registers the gauges; ``read`` gives the figures. ``meter`` and ``fresh_seconds`` are for tests."""

    def __init__(
        self,
        read: Callable[[datetime], Figures],
        meter: Meter | None = None,
        *,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._lock = Lock()
        self._figures: Figures | None = None
        self._read_at = float("-inf")
        meter = meter or get_meter("orderwright.store")
        for metric, tell in _GAUGES.items():
            meter.create_observable_gauge(
                metric.name, [partial(self._observe, tell)], metric.unit, metric.meaning
            )
        read_gauge = metrics.STORE_READ
        meter.create_observable_gauge(
            read_gauge.name, [self._observe_reading], read_gauge.unit, read_gauge.meaning
        )

    def _observe(
        self, tell: Callable[[Figures], Iterable[Observation]], _options: CallbackOptions
    ) -> Iterable[Observation]:
        figures = self._now()
        return () if figures is None else tell(figures)

    def _observe_reading(self, _options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(0 if self._now() is None else 1)

    def _now(self) -> Figures | None:
        """Figures that are fresh enough; None where the store cannot be read. Called in the exporter's thread."""
        with self._lock:
            if time.monotonic() - self._read_at > self._fresh_seconds:
                try:
                    self._figures = self._read(datetime.now(UTC))
                except DatabaseUnavailable as error:
                    log.warning("the store's figures cannot be read: %s", error)
                    self._figures = None
                self._read_at = time.monotonic()
            return self._figures


def _age(figures: Figures, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (figures.at - since).total_seconds())


def _orders(figures: Figures) -> Iterable[Observation]:
    for found in figures.orders:
        yield Observation(found.orders, {"channel": found.channel, "status": found.status.value})


def _waiting(figures: Figures) -> Iterable[Observation]:
    for found in figures.waiting:
        yield Observation(found.orders, {"channel": found.channel})


def _waiting_oldest(figures: Figures) -> Iterable[Observation]:
    for found in figures.waiting:
        yield Observation(_age(figures, found.oldest_since), {"channel": found.channel})


def _pending(figures: Figures) -> Iterable[Observation]:
    yield Observation(figures.inbox.pending)


def _failing(figures: Figures) -> Iterable[Observation]:
    yield Observation(figures.inbox.failing)


def _inbox_oldest(figures: Figures) -> Iterable[Observation]:
    yield Observation(_age(figures, figures.inbox.oldest_received_at))


def _up(figures: Figures) -> Iterable[Observation]:
    for connection in figures.connections:
        yield Observation(0 if connection.away else 1, {"system": connection.system})


def _away(figures: Figures) -> Iterable[Observation]:
    for connection in figures.connections:
        seconds = _age(figures, connection.since) if connection.away else 0.0
        yield Observation(seconds, {"system": connection.system})


def _cases(figures: Figures) -> Iterable[Observation]:
    for found in figures.cases:
        yield Observation(found.cases, {"family": found.family})


def _cases_overdue(figures: Figures) -> Iterable[Observation]:
    for found in figures.cases:
        yield Observation(found.overdue, {"family": found.family})


def _cases_oldest(figures: Figures) -> Iterable[Observation]:
    for found in figures.cases:
        yield Observation(_age(figures, found.oldest_at), {"family": found.family})


def _money_at_risk(figures: Figures) -> Iterable[Observation]:
    for found in figures.cases:
        for currency, amount in found.money_at_risk.items():
            # A picture of the size, so a float will do; the cases hold the exact amounts.
            yield Observation(float(amount), {"family": found.family, "currency": currency})


def _fixing(figures: Figures) -> Iterable[Observation]:
    if figures.fixing_minutes is not None:
        yield Observation(figures.fixing_minutes)


def _placed(figures: Figures) -> Iterable[Observation]:
    for found in figures.certificates:
        yield Observation(found.placed, {"channel": found.channel, "flow": found.flow.value})


def _unexplained(figures: Figures) -> Iterable[Observation]:
    for found in figures.certificates:
        yield Observation(found.unexplained, {"channel": found.channel, "flow": found.flow.value})


def _certificate_age(figures: Figures) -> Iterable[Observation]:
    for channel, at in {found.channel: found.at for found in figures.certificates}.items():
        yield Observation(_age(figures, at), {"channel": channel})


def _silent(figures: Figures) -> Iterable[Observation]:
    for channel, silent in figures.silent.items():
        yield Observation(int(silent), {"channel": channel})


def _stock_waiting(figures: Figures) -> Iterable[Observation]:
    for found in figures.stock:
        yield Observation(found.skus, {"channel": found.channel})


def _stock_oldest(figures: Figures) -> Iterable[Observation]:
    for found in figures.stock:
        yield Observation(_age(figures, found.oldest_since), {"channel": found.channel})


_GAUGES: dict[Metric, Callable[[Figures], Iterable[Observation]]] = {
    metrics.ORDERS: _orders,
    metrics.ORDERS_WAITING: _waiting,
    metrics.ORDERS_WAITING_OLDEST: _waiting_oldest,
    metrics.INBOX_PENDING: _pending,
    metrics.INBOX_FAILING: _failing,
    metrics.INBOX_OLDEST: _inbox_oldest,
    metrics.CONNECTION_UP: _up,
    metrics.CONNECTION_AWAY: _away,
    metrics.CASES: _cases,
    metrics.CASES_OVERDUE: _cases_overdue,
    metrics.CASES_OLDEST: _cases_oldest,
    metrics.CASES_MONEY_AT_RISK: _money_at_risk,
    metrics.FIXING_MINUTES: _fixing,
    metrics.CERTIFICATE_PLACED: _placed,
    metrics.CERTIFICATE_UNEXPLAINED: _unexplained,
    metrics.CERTIFICATE_AGE: _certificate_age,
    metrics.CHANNEL_SILENT: _silent,
    metrics.STOCK_WAITING: _stock_waiting,
    metrics.STOCK_OLDEST: _stock_oldest,
}
