"""Goods that are sold before they may leave: the table ``[preorders]`` of a mapping, and what follows from it. Pure.

An order leaves whole: it is entered in the ERP once the last of its lines is released, and until then nothing of it is
allocated anywhere.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.capture import plan_captures
from domain.model import Frozen, Instant
from domain.order import Order, OrderLine
from domain.payment_rules import ALL_AT_ONCE

LineId = str


class PreorderCapture(StrEnum):
    """When money that a buyer authorized for a pre-order is taken."""

    AT_ORDER = "at_order"
    """All of it, at once."""
    BY_RULE = "by_rule"
    """As ``[payments]`` says, once the ERP has the order."""


class PreorderRules(Frozen):
    """The rules of a channel."""

    schedule: bool = True
    """Whether what the storefront has scheduled for a later day waits for it."""
    attribute: str | None = None
    """A line's attribute that holds the day of its release, ``2026-12-24``."""
    lead_days: Annotated[int, Field(ge=0, le=365)] = 0
    """So many days before its release an order goes to the ERP, for the warehouse to prepare."""
    capture: PreorderCapture = PreorderCapture.BY_RULE


class Release(Frozen):
    """What an order waits for before it goes to the ERP."""

    at: Instant
    """When it goes there."""
    days: dict[LineId, date]
    """Line -> the day of its release, of those that have one."""
    capture_now: bool = False
    """Its money is to be taken although nothing is allocated yet."""


def release_of(order: Order, rules: PreorderRules) -> Release | None:
    """What of an order waits for its release, whether that is over or not; None where nothing was sold ahead.

    An attribute that names no day counts for nothing here; see ``unreadable_release``.
    """
    if order.canceled_at is not None or order.handed_over:
        return None
    releases: dict[LineId, datetime] = {}
    for line in order.lines:
        if line.current and line.requires_shipping:
            times = [*_scheduled(order, line, rules), *_named(line, rules)]
            if times:
                releases[line.line_id] = max(times)
    if not releases:
        return None
    return Release(
        at=max(releases.values()) - timedelta(days=rules.lead_days),
        days={line: at.date() for line, at in releases.items()},
        capture_now=rules.capture is PreorderCapture.AT_ORDER and bool(plan_captures(order, {}, ALL_AT_ONCE)),
    )


def unreadable_release(order: Order, rules: PreorderRules) -> OrderLine | None:
    """The first line whose attribute should name the day of its release and does not."""
    for line in order.lines:
        told = line.attributes.get(rules.attribute, "").strip() if rules.attribute else ""
        if told and line.current and _day(line, rules) is None:
            return line
    return None


def _scheduled(order: Order, line: OrderLine, rules: PreorderRules) -> list[datetime]:
    """When the storefront lets what is still to leave of a line leave."""
    return [
        plan.not_before
        for plan in order.location_plans
        if rules.schedule and plan.open and plan.not_before is not None
        if any(part.line_id == line.line_id and part.remaining for part in plan.lines)
    ]


def _named(line: OrderLine, rules: PreorderRules) -> list[datetime]:
    day = _day(line, rules)
    return [] if day is None else [datetime.combine(day, time(), UTC)]


def _day(line: OrderLine, rules: PreorderRules) -> date | None:
    text = line.attributes.get(rules.attribute, "").strip() if rules.attribute else ""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
