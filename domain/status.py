"""What people call the state of an order: derived from its quantities, never stored as a fact of its own."""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum

from domain.quantities import LineState


class OrderStatus(StrEnum):
    """One word for an order."""

    RECEIVED = "received"
    SUBMITTED = "submitted"
    """In the ERP, nothing shipped yet."""
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    CLOSED = "closed"
    CANCELED = "canceled"
    IGNORED = "ignored"


def derive_status(lines: Sequence[LineState], *, submitted: bool, closed: bool, ignored: bool) -> OrderStatus:
    """The status of an order: ignored before all; canceled where every unit is; else how far it came."""
    if ignored:
        return OrderStatus.IGNORED
    ordered = sum(line.ordered for line in lines)
    if ordered and ordered == sum(line.canceled for line in lines):
        return OrderStatus.CANCELED
    if closed:
        return OrderStatus.CLOSED
    if any(line.shipped for line in lines):
        return OrderStatus.PARTLY_SHIPPED if any(line.open for line in lines) else OrderStatus.SHIPPED
    return OrderStatus.SUBMITTED if submitted else OrderStatus.RECEIVED


def describe(lines: Sequence[LineState]) -> str:
    """A sentence such as ``3 of 5 units shipped; 2 waiting at WH-WEST``."""
    canceled = sum(line.canceled for line in lines)
    due = sum(line.due for line in lines)
    if not due:
        return f"all {count_units(canceled)} canceled" if canceled else "no units ordered"
    shipped = sum(line.shipped for line in lines)
    waiting: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        for warehouse, units in line.allocated.items():
            waiting[warehouse] += units
    parts = [
        f"all {count_units(due)} shipped" if shipped == due else f"{shipped} of {count_units(due)} shipped"
    ]
    parts += [f"{units} waiting at {warehouse}" for warehouse, units in sorted(waiting.items()) if units]
    days = [line.expected for line in lines if line.backordered and line.expected]
    backordered = f"on backorder, expected {max(days)}" if days else "on backorder"
    others = {
        backordered: sum(line.backordered for line in lines),
        "given up by the ERP": sum(line.given_up for line in lines),
        "not allocated yet": sum(line.unallocated for line in lines),
        "canceled": canceled,
        "returned": sum(line.returned for line in lines),
        "refunded": sum(line.refunded for line in lines),
    }
    return "; ".join(parts + [f"{units} {what}" for what, units in others.items() if units])


def count_units(count: int) -> str:
    """``1 unit``, ``2 units``."""
    return f"{count} unit" if count == 1 else f"{count} units"
