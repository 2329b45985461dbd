"""Goods that come back: a return as the storefront tells it, what the ERP is asked for, and what the ERP says of it.

Amounts of a return are above zero where they are in the buyer's favor. One return of an order is the same in both
systems by ``return_id``; people call it by its number, such as ``#1001-R1``.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from domain.erp_order import ErpOrder, ErpReturn, ErpReturnState, SalesLineKind, ShipmentLine, TaxAmount
from domain.model import Amount, Frozen, Quantity
from domain.order import Order, OrderKey, ReturnStatus, TaxLine
from domain.return_rules import ReturnRules

LIVE = frozenset({ReturnStatus.REQUESTED, ReturnStatus.OPEN})
"""States of a return that something may come of still."""


def asks_for_return(order: Order) -> bool:
    """Whether the storefront has a return of it that is not settled."""
    return any(each.status in LIVE for each in order.returns)


def units_received(held: ErpReturn) -> dict[str, int]:
    """Line -> units that the ERP says came in; pieces of kits by their names (``domain.kit_returns``)."""
    units: dict[str, int] = {}
    for line in held.received:
        units[line.line_id] = units.get(line.line_id, 0) + line.quantity
    return units


def unsettled(erp: ErpOrder) -> tuple[ErpReturn, ...]:
    """Returns whose goods the ERP expects, or has, and that are not credited."""
    live = {ErpReturnState.EXPECTED, ErpReturnState.RECEIVED}
    return tuple(each for each in erp.returns if each.state in live)


def window_until(order: Order, erp: ErpOrder, rules: ReturnRules, now: datetime) -> datetime | None:
    """Until when goods of a delivered order may come back; None where the window is over, or there is none.

    It begins with the last parcel; of an order without parcels, with its placing.
    """
    if not rules.window_days:
        return None
    left = [shipment.shipped_at for shipment in erp.shipments if shipment.shipped_at is not None]
    until = max(left, default=order.placed_at) + timedelta(days=rules.window_days)
    return until if until > now else None


class Disposition(StrEnum):
    """What becomes of a unit that came back."""

    RESTOCK = "restock"
    """As good as new: on the shelf again, and credited."""
    SCRAP = "scrap"
    """Credited, and never sold again."""
    REJECT = "reject"
    """Sent back to the buyer: not credited."""


class ReturnAuthorization(Frozen):
    """Goods that the warehouse is to expect. ``key`` and ``return_id`` together are the idempotency key."""

    key: OrderKey
    return_id: str
    number: str
    warehouse: str
    """The ERP's code of the warehouse that takes them in."""
    lines: tuple[ShipmentLine, ...]
    """Units by storefront line."""
    note: str = ""


class CreditLine(Frozen):
    """A part of a credit note: ``net`` is for all its units, without tax, above zero."""

    line_id: str
    """The storefront line or shipping charge that is credited; of a fee ``FEE_LINE``, of pieces of a kit their name."""
    kind: SalesLineKind
    """Of ``LOWERING`` it lowers the credit note by its ``net`` and taxes."""
    product: str
    quantity: Quantity
    net: Amount
    taxes: tuple[TaxAmount, ...] = ()
    description: str = ""


FEE_LINE = "restocking-fee"
"""``line_id`` of the one fee of a credit note: it comes from no storefront line."""


class ReturnCredit(Frozen):
    """Settle a return: stock the goods or write them off, and credit exactly these amounts."""

    key: OrderKey
    return_id: str
    number: str
    restocked: dict[str, Quantity] = Field(default_factory=dict)
    """Line -> units that go on the shelf; pieces of kits by their names."""
    scrapped: dict[str, Quantity] = Field(default_factory=dict)
    """Line -> units that are written off. What else came back is the buyer's still."""
    lines: tuple[CreditLine, ...]
    total: Amount
    """What the credit note comes to: nets and taxes of its lines, less the fee."""
    taxes: tuple[TaxAmount, ...] = ()
    """One entry a code."""
    note: str = ""


class QuotedPart(Frozen):
    """What units of a line, or a part of a delivery charge, are worth to the storefront, in ``Order.currency``."""

    line_id: str
    """Of delivery the charge's id."""
    quantity: Quantity
    net: Amount
    tax: Amount
    taxes: tuple[TaxLine, ...] = ()
    """The same by tax, where it is known: which of several loses a cent is the storefront's to say."""


class RefundPart(Frozen):
    """Money that goes back to the payment it came from, in ``Order.presentment_currency``."""

    payment_id: str
    """The capture or sale."""
    gateway: str
    amount: Amount
