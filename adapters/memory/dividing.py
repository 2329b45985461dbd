"""What the memory ERP's stock covers of an order, and what is on backorder. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from domain.erp_order import Backorder, ErpOrder, ErpOrderState, SalesOrder
from domain.order import OrderKey

Place = tuple[str, str]
"""Warehouse and product."""
Units = Mapping[str, Mapping[str, int]]
"""Warehouse -> line -> units."""


class Divided(NamedTuple):
    """What of an order is there, and what is not."""

    there: dict[str, dict[str, int]]
    short: tuple[Backorder, ...]


def divide(
    order: ErpOrder, wanted: Units, held: Units, stock: Mapping[Place, int], promised: Mapping[Place, date]
) -> Divided:
    """Divide what is wanted into what ``held`` (taken for the order already) and stock cover, and the rest.

    What is not listed in ``stock`` never runs out. Lines of an order take in turn, so none gets a unit twice.
    """
    products = {(line.line_id, line.warehouse): line.product for line in order.lines}
    there: defaultdict[str, dict[str, int]] = defaultdict(dict)
    short, taken = [], Counter[Place]()
    for warehouse, lines in wanted.items():
        for line_id, units in lines.items():
            place = (warehouse, products[line_id, warehouse])
            own = min(units, held.get(warehouse, {}).get(line_id, 0))
            more = units - own
            if place in stock:
                more = min(more, max(0, stock[place] - taken[place]))
                taken[place] += more
            there[warehouse][line_id] = own + more
            if units > own + more:
                short.append(
                    Backorder(
                        line_id=line_id,
                        warehouse=warehouse,
                        quantity=units - own - more,
                        expected=promised.get(place),
                    )
                )
    return Divided(dict(there), tuple(short))


def oldest_first(orders: Iterable[ErpOrder], entered: Mapping[OrderKey, SalesOrder]) -> list[ErpOrder]:
    """Orders that wait for stock, by the time they were placed; then in the order they were entered."""
    waiting = [o for o in orders if o.backorders and o.state is ErpOrderState.ACCEPTED]
    return sorted(waiting, key=lambda o: (_placed_at(o, entered), int(o.erp_id)))


def _placed_at(order: ErpOrder, entered: Mapping[OrderKey, SalesOrder]) -> datetime:
    return entered[order.key].placed_at


class Released(NamedTuple):
    """What stock covers of an order's backorders now."""

    taken: dict[str, dict[str, int]]
    """Warehouse -> line -> units."""
    left: tuple[Backorder, ...]


def release(order: ErpOrder, stock: Mapping[Place, int]) -> Released:
    """What can be taken off the backorders of an order."""
    products = {(line.line_id, line.warehouse): line.product for line in order.lines}
    left = Counter(dict(stock))
    taken: defaultdict[str, dict[str, int]] = defaultdict(dict)
    rest = []
    for part in order.backorders:
        warehouse = part.warehouse or ""
        place = (warehouse, products[part.line_id, warehouse])
        units = min(part.quantity, max(0, left[place])) if place in stock else part.quantity
        left[place] -= units
        if units:
            taken[warehouse][part.line_id] = units
        if part.quantity > units:
            rest.append(part.model_copy(update={"quantity": part.quantity - units}))
    return Released(taken=dict(taken), left=tuple(rest))
