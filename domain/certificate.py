"""What a sweep found, counted: every order of a flow once, and the sentence that is printed of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import ConfigDict

from domain.completeness import Explanation, Finding, Flow, Standing
from domain.model import Frozen, Instant

MOST_NAMED: Final = 500
"""Findings that are kept whole in one flow; more are counted all the same. A payload of Temporal ends at 2 MB."""


class SweepWindow(Frozen):
    """Orders placed at or after ``since`` and before ``before``."""

    since: Instant
    before: Instant

    def __str__(self) -> str:
        """``2026-11-25 01:00 to 02:00 UTC``, the day again where it is another."""
        same_day = self.since.date() == self.before.date()
        return f"{self.since:%Y-%m-%d %H:%M} to {self.before:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}} UTC"


LONGEST_WINDOW: Final = timedelta(days=1)
"""After a long stop the sweep catches up in several windows."""


def next_window(
    now: datetime, *, watermark: datetime | None, began: datetime | None, overlap: timedelta
) -> SweepWindow:
    """The window of the next sweep.

    It begins ``overlap`` before the watermark, up to which every order was counted, so that an order that a list showed
    late is not missed; but never before ``began``, when Orderwright was put in charge of the channel: what was placed
    before that is somebody else's. ``began`` None: that is now.
    """
    now = now.replace(microsecond=0)  # storefronts list to the second
    floor = now if began is None else began
    since = floor if watermark is None else max(floor, watermark - overlap)
    since = min(since, now)
    return SweepWindow(since=since, before=min(now, since + max(LONGEST_WINDOW, 2 * overlap)))


def watermark_after(window: SweepWindow, watermark: datetime | None) -> datetime:
    """Up to when every order was counted, now that a window was. A gap is never jumped over."""
    if watermark is None:
        return window.before
    return max(watermark, window.before) if window.since <= watermark else watermark


class Tally(Frozen):
    """One flow, counted. ``placed`` is what has to be on the other side; ``there`` what is.

    What a newer version counts beside it is left out when an older one reads it: both run during an upgrade.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    flow: Flow
    placed: int = 0
    there: int = 0
    matched: int = 0
    canceled: int = 0
    """Those of ``matched`` that are canceled on both sides, so that nothing of them has to be there."""
    explained: Mapping[Explanation, int] = {}
    repaired: Mapping[Explanation, int] = {}
    unexplained: int = 0
    """With those that are in none of the lists of orders placed: an order only in the ERP, one from before."""
    surplus: int = 0
    """Those of ``unexplained`` that were not placed in the window."""
    findings: tuple[Finding, ...] = ()
    """The repaired and the unexplained, each with its words."""
    open: tuple[str, ...] = ()
    """External ids to look at again next time, whenever they were placed."""

    def add(self, findings: Iterable[Finding], *, of_window: bool = True) -> "Tally":
        """Count findings of this flow.

        ``of_window`` False: these are from before the window, and count only where something is wrong with them; one
        that is named already is not named again, for it may come from several lists.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["explained"], values["repaired"] = dict(self.explained), dict(self.repaired)
        named, unsettled = list(self.findings), list(self.open)
        for finding in findings if of_window else _not_named_yet(findings, named):
            if of_window:
                values["placed"] += 1
                values["there"] += finding.in_erp
            match finding.standing:
                case Standing.MATCHED:
                    values["matched"] += of_window
                    values["canceled"] += of_window and not finding.in_erp
                case Standing.EXPLAINED if of_window:
                    _count(values["explained"], finding.explanation)
                case Standing.EXPLAINED:
                    pass
                case Standing.REPAIRED:
                    if of_window:
                        _count(values["repaired"], finding.explanation)
                    named.append(finding)
                case Standing.UNEXPLAINED:
                    values["unexplained"] += 1
                    values["surplus"] += not of_window
                    named.append(finding)
            if not finding.settled:
                unsettled.append(finding.key.external_id)
        values["findings"], values["open"] = tuple(named[:MOST_NAMED]), tuple(dict.fromkeys(unsettled))
        return Tally(**values)

    @property
    def sentence(self) -> str:
        """``412 placed, 412 in the ERP, 0 unexplained``, with what is explained or repaired between.

        Each order is in one group, so that all groups together are the first number; what is beyond it is said so.
        """
        agreed = self.matched - self.canceled
        heads = {
            Flow.ORDERS: f"{self.placed} placed, {agreed} in the ERP",
            Flow.SHIPMENTS: f"{self.placed} shipped, {agreed} told to the storefront",
        }
        parts = [heads[self.flow]]
        if self.canceled:
            parts.append(f"{self.canceled} canceled in both")
        parts += [_counted(count, name) for name, count in self.explained.items()]
        parts += [f"{_counted(count, name)} (repaired)" for name, count in self.repaired.items()]
        parts.append(f"{self.unexplained} unexplained")
        if self.surplus:
            which = "" if self.surplus == self.unexplained else f"{self.surplus} of them "
            parts[-1] += f" ({which}beside those {'placed' if self.flow is Flow.ORDERS else 'shipped'})"
        return ", ".join(parts)


_OF_SEVERAL: Final = {
    Explanation.ON_ITS_WAY: "on their way",
    Explanation.WEBHOOK_WAITS: "webhooks not handed over yet",
    Explanation.WAITS_FOR_PERSON: "wait for a person",
    Explanation.AWAITS_PAYMENT: "wait for their payment",
    Explanation.AWAITS_RELEASE: "wait for their release",
    Explanation.CANCELED_BEFORE_ENTRY: "canceled before they were entered",
    Explanation.MISSED_WEBHOOK: "missed webhooks",
    Explanation.LOST: "nobody carried them",
}
"""What is said otherwise of several orders than of one."""


def _counted(count: int, name: Explanation) -> str:
    return f"{count} {name if count == 1 else _OF_SEVERAL.get(name, name)}"


def _not_named_yet(findings: Iterable[Finding], named: Iterable[Finding]) -> Iterator[Finding]:
    known = {finding.key for finding in named}
    for finding in findings:
        if finding.key not in known:
            known.add(finding.key)
            yield finding


def _count(counts: dict[Explanation, int], name: Explanation) -> None:
    counts[name] = counts.get(name, 0) + 1
