"""Units of a sale that people took off its shipments, and that nothing is to be sent of. Pure.

Tryton has no word for that. A move that is canceled is *ignored* or made anew (*recreated*) by a person; until one has
decided, it is an exception and nothing is sent of it either.
"""

from collections import defaultdict
from decimal import Decimal
from math import ceil
from typing import Final

from adapters.tryton.records import SHIPPABLE, LineRecord, Movable, SaleRecord

CANCELED_BY_US: Final = "Canceled by the store: "
"""Begins what we note on a sale before we cancel its shipments."""


def given_up_of(sale: SaleRecord) -> dict[str, int]:
    """Storefront line -> units; lines without any are left out. Asks for a sale that is in force."""
    if is_being_canceled(sale):
        return {}
    units: dict[str, int] = defaultdict(int)
    for line in sale.order_lines:
        units[line.origin[0]] += given_up_of_line(line)
    return {line: number for line, number in units.items() if number}


def given_up_of_line(line: LineRecord) -> int:
    """Units of a sale line, of a kit those that cannot be sent whole any more."""
    if line.product is None or line.product.type not in SHIPPABLE or line.units <= 0:
        return 0
    if not line.components:
        return int(_missing(line))
    kits = (ceil(_missing(part) * line.units / part.ordered) for part in line.components if part.ordered)
    return max(kits, default=0)


def _missing(movable: Movable) -> Decimal:
    """Units that were canceled and that no other move stands for."""
    canceled = sum((move.pieces for move in movable.dropped()), Decimal(0))
    return max(Decimal(0), min(canceled, movable.ordered - movable.alive))


def is_being_canceled(sale: SaleRecord) -> bool:
    """Whether a cancel or edit of ours stands half done: it cancels all shipments first, and nobody gave up a thing."""
    return CANCELED_BY_US in (sale.comment or "") and not any(
        move.state != "cancelled" for line in sale.order_lines for move in line.all_moves()
    )
