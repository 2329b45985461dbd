"""Every metric of ours in one place: name, unit, labels and what it tells.

Code makes its instruments from this list, ``docs/observability.md`` shows it, and a test compares alert rules and
dashboard with it.
"""

from dataclasses import dataclass
from enum import StrEnum

_SUFFIX = {"s": "_seconds"}
"""How Prometheus writes a unit; one in braces, such as ``{order}``, says what is counted and is left out."""


class Kind(StrEnum):
    """How a metric grows."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric, in OpenTelemetry's naming."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def prometheus(self) -> str:
        """What it is called in Prometheus; a histogram has three series, see ``series``."""
        suffix = _SUFFIX.get(self.unit, "") + ("_total" if self.kind is Kind.COUNTER else "")
        return self.name.replace(".", "_") + suffix

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its time series in Prometheus."""
        if self.kind is not Kind.HISTOGRAM:
            return (self.prometheus,)
        return tuple(f"{self.prometheus}_{part}" for part in ("bucket", "sum", "count"))


def _counter(name: str, unit: str, labels: str, meaning: str) -> Metric:
    return Metric(f"orderwright.{name}", Kind.COUNTER, unit, tuple(labels.split()), meaning)


def _gauge(name: str, unit: str, labels: str, meaning: str) -> Metric:
    return Metric(f"orderwright.{name}", Kind.GAUGE, unit, tuple(labels.split()), meaning)


def _histogram(name: str, unit: str, labels: str, meaning: str) -> Metric:
    return Metric(f"orderwright.{name}", Kind.HISTOGRAM, unit, tuple(labels.split()), meaning)


# -- the web process: ingress and dispatcher ---------------------------------------------------------------------------

WEBHOOKS_RECEIVED = _counter("webhooks.received", "{webhook}", "channel topic", "Webhooks that were kept.")
WEBHOOKS_DUPLICATE = _counter(
    "webhooks.duplicate", "{webhook}", "channel", "Webhooks that had been kept before."
)
WEBHOOKS_REFUSED = _counter(
    "webhooks.refused",
    "{webhook}",
    "reason",
    "Requests answered other than 2xx. No channel: what a stranger writes into an address makes no time series.",
)
WEBHOOKS_HANDED_OVER = _counter(
    "webhooks.handed_over", "{webhook}", "channel", "Webhooks that reached their workflow."
)
WEBHOOKS_ECHO = _counter(
    "webhooks.echo",
    "{webhook}",
    "channel topic",
    "Webhooks that told of our own writes, or of what nobody waits for: they go to no workflow.",
)
WEBHOOKS_HAND_OVER_FAILED = _counter(
    "webhooks.hand_over_failed",
    "{try}",
    "kind",
    "Tries to hand over that failed: `away` where Temporal did not answer, `row` for this webhook alone.",
)
WEBHOOKS_DELAY = _histogram("webhooks.delay", "s", "channel", "From the inbox to the workflow.")

# -- the workers -------------------------------------------------------------------------------------------------------

CALLS = _counter(
    "calls",
    "{call}",
    "system operation outcome",
    "Calls of a port: `done`, `canceled`, or the error's name in `adapters/errors.py`.",
)
CALL_DURATION = _histogram(
    "calls.duration", "s", "system operation", "How long such a call took, all its requests together."
)
ACTIVITIES = _counter(
    "activities",
    "{attempt}",
    "activity outcome",
    "Attempts of activities: `done`, `canceled`, or the failure's type as the Temporal UI shows it.",
)
LOOKUPS = _counter(
    "lookups",
    "{lookup}",
    "system what found",
    "Looks by idempotency key before a write: `found` is true where an earlier try had done it.",
)
FEED_LAST_POLL = _gauge(
    "feed.last_poll",
    "s",
    "",
    "Unix time at which this worker last read the ERP's changes to their end. Its age is the feed's lag.",
)
STOCK_SETTINGS = _counter(
    "stock.settings",
    "{setting}",
    "channel outcome",
    "Numbers of stock that a storefront was told: `done`, `stale` or `refused`.",
)
STOCK_DELAY = _histogram(
    "stock.delay", "s", "channel", "From a change of what can be sold to the storefront that shows it."
)

# -- the store, read by the web process --------------------------------------------------------------------------------

ORDERS = _gauge("orders", "{order}", "channel status", "Orders by status.")
ORDERS_WAITING = _gauge(
    "orders.waiting", "{order}", "channel", "Orders that wait for a person, in one case or more."
)
ORDERS_WAITING_OLDEST = _gauge(
    "orders.waiting.oldest",
    "s",
    "channel",
    "How long the one that waits longest has waited; 0 where none waits.",
)
INBOX_PENDING = _gauge("inbox.pending", "{webhook}", "", "Webhooks that are not handed over yet.")
INBOX_FAILING = _gauge("inbox.failing", "{webhook}", "", "Those of them whose last try to hand over failed.")
INBOX_OLDEST = _gauge("inbox.oldest", "s", "", "Age of the oldest of them; 0 where none waits.")
CONNECTION_UP = _gauge(
    "connection.up", "", "system", "1 while the outside system answers, 0 while it is away."
)
CONNECTION_AWAY = _gauge("connection.away", "s", "system", "How long it has been away; 0 while it answers.")
CASES = _gauge("cases", "{case}", "family", "Open cases, by the first part of their cause.")
CASES_OVERDUE = _gauge("cases.overdue", "{case}", "family", "Those of them whose deadline has passed.")
CASES_OLDEST = _gauge("cases.oldest", "s", "family", "How long the oldest of them has been open.")
CASES_MONEY_AT_RISK = _gauge(
    "cases.money_at_risk",
    "",
    "family currency",
    "What the orders that wait in them are worth, in whole units of each currency.",
)
FIXING_MINUTES = _gauge(
    "fixing.minutes_per_1000_orders",
    "",
    "",
    "Minutes from open to resolved of the cases of the last 30 days, for each 1,000 orders placed in them.",
)
CERTIFICATE_PLACED = _gauge(
    "certificate.placed", "{order}", "channel flow", "Orders that the newest certificate counted."
)
CERTIFICATE_UNEXPLAINED = _gauge(
    "certificate.unexplained", "{order}", "channel flow", "Those that it could not explain."
)
CERTIFICATE_AGE = _gauge("certificate.age", "s", "channel", "How old the newest certificate is.")
CHANNEL_SILENT = _gauge(
    "channel.silent",
    "",
    "channel",
    "1 while no webhook has come for longer than the channel's own rhythm allows, else 0.",
)
STOCK_WAITING = _gauge(
    "stock.waiting",
    "{SKU}",
    "channel",
    "SKUs whose number changed and that the storefront was not told of yet.",
)
STOCK_OLDEST = _gauge("stock.oldest", "s", "channel", "How long ago the oldest of these changes came.")
STORE_READ = _gauge(
    "store.read", "", "", "1 where the figures of the store could be read, 0 where they could not."
)

METRICS = (
    WEBHOOKS_RECEIVED,
    WEBHOOKS_DUPLICATE,
    WEBHOOKS_REFUSED,
    WEBHOOKS_HANDED_OVER,
    WEBHOOKS_ECHO,
    WEBHOOKS_HAND_OVER_FAILED,
    WEBHOOKS_DELAY,
    CALLS,
    CALL_DURATION,
    ACTIVITIES,
    LOOKUPS,
    FEED_LAST_POLL,
    STOCK_SETTINGS,
    STOCK_DELAY,
    ORDERS,
    ORDERS_WAITING,
    ORDERS_WAITING_OLDEST,
    INBOX_PENDING,
    INBOX_FAILING,
    INBOX_OLDEST,
    CONNECTION_UP,
    CONNECTION_AWAY,
    CASES,
    CASES_OVERDUE,
    CASES_OLDEST,
    CASES_MONEY_AT_RISK,
    FIXING_MINUTES,
    CERTIFICATE_PLACED,
    CERTIFICATE_UNEXPLAINED,
    CERTIFICATE_AGE,
    CHANNEL_SILENT,
    STOCK_WAITING,
    STOCK_OLDEST,
    STORE_READ,
)
