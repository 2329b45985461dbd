"""What an order claims of stock: units that buyers were promised, and how many of them the ERP knows of."""

from collections import Counter
from collections.abc import Callable, Mapping

from domain.erp_order import ErpOrder, ErpOrderState
from domain.mapping import Mapping as FieldMapping
from domain.mapping import Unmapped
from domain.model import Frozen, Quantity
from domain.order import Order

NOWHERE = ""
"""Stands for a product or warehouse that the mapping does not know."""


class Claim(Frozen):
    """What one order wants of one SKU from one location."""

    sku: str
    location: str
    product: str
    """The ERP's code of the SKU; ``NOWHERE`` where it is not mapped."""
    warehouse: str
    """The ERP's code of the location; ``NOWHERE`` where it is not mapped."""
    due: Quantity
    """Units that the ERP is to know of: ordered and not canceled, sent or not."""
    open: Quantity
    """Units of them that the storefront holds for the order: they have not left by its word."""


class Held(Frozen):
    """Units of a SKU that the ERP has on its order at a warehouse; sent or not."""

    sku: str
    warehouse: str
    quantity: Quantity


class OrderClaims(Frozen):
    """What became known of an order's claims; None is as it was."""

    claims: tuple[Claim, ...] | None = None
    held: tuple[Held, ...] | None = None
    entered: bool = False
    """The ERP had the order before: where nothing is known of what it holds, it holds what has left.

    What is still open was added since, or will be known with the next act.
    """


NO_CLAIMS = OrderClaims(claims=(), held=())


def claims_of(order: Order, mapping: FieldMapping, *, ignored: bool = False) -> tuple[Claim, ...]:
    """The claims of an order as the storefront holds it, by SKU and location.

    One that is ignored never comes to the ERP, so nothing of it is due there; the storefront holds its units all the
    same.
    """
    if order.canceled_at is not None:
        return ()
    skus = _skus(order)
    due: Counter[tuple[str, str]] = Counter()
    still: Counter[tuple[str, str]] = Counter()
    for plan in order.location_plans:
        for part in plan.lines:
            place = (skus.get(part.line_id, ""), plan.location)
            # A closed plan counts with what left from it: the rest was moved to another plan or canceled.
            due[place] += part.quantity if plan.open else part.quantity - part.remaining
            still[place] += part.remaining if plan.open else 0
    return tuple(
        Claim(
            sku=sku,
            location=location,
            product=_mapped(mapping.product, sku),
            warehouse=_mapped(mapping.warehouse, location),
            due=0 if ignored else units,
            open=still[sku, location],
        )
        for (sku, location), units in sorted(due.items())
        if sku and units
    )


def held_by(erp: ErpOrder, order: Order) -> tuple[Held, ...]:
    """What the ERP has of an order, by the storefront's SKUs. A canceled order holds nothing."""
    skus = _skus(order)
    units: Counter[tuple[str, str]] = Counter()
    for line in erp.lines if erp.state is not ErpOrderState.CANCELED else ():
        sku = skus.get(line.line_id, "")
        if sku and line.warehouse:
            units[sku, line.warehouse] += line.quantity
    return tuple(
        Held(sku=sku, warehouse=warehouse, quantity=quantity)
        for (sku, warehouse), quantity in sorted(units.items())
        if quantity
    )


def awaiting(due: Mapping[str, int], held: Mapping[str, int]) -> dict[str, int]:
    """Warehouse -> units of one SKU that are due and that the ERP does not hold yet.

    What it holds at another warehouse than was asked for is there all the same: it counts for whichever lacks.
    """
    missing = {warehouse: max(0, units - held.get(warehouse, 0)) for warehouse, units in due.items()}
    elsewhere = sum(max(0, units - due.get(warehouse, 0)) for warehouse, units in held.items())
    for warehouse in sorted(missing):
        covered = min(elsewhere, missing[warehouse])
        missing[warehouse] -= covered
        elsewhere -= covered
    return {warehouse: units for warehouse, units in missing.items() if units}


def _skus(order: Order) -> dict[str, str]:
    return {line.line_id: (line.sku or "").strip() for line in order.lines}


def _mapped(look_up: Callable[[str], str], value: str) -> str:
    try:
        return look_up(value)
    except Unmapped:
        return NOWHERE
