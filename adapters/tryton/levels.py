"""From Tryton's moves and sales to levels of stock. Pure.

What a sale wants is counted from the sale, not from its shipments alone: what is left of a shipment that was picked in
part is on no move until Tryton makes another shipment of it, and a sale has no moves at all until Tryton processed it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from adapters.tryton.notes import read_note
from adapters.tryton.places import Places
from adapters.tryton.records import RETURN_SHIPMENT
from adapters.tryton.stock_records import OPEN, Movement, StockedProduct, Wanted, WantingLine
from domain.stock import ErpStock, Incoming, Kit

Place = tuple[str, int]
"""Warehouse and product."""

_Days = dict[dt.date, Decimal]
_GRAIN: Final = Decimal("0.000001")
"""Less than that is what is left of adding fractions."""
_NOT_BEGUN: Final = frozenset({"draft", "waiting"})


class _Home(NamedTuple):
    """Where a sale line was sold from, and where its sale puts shipments by itself."""

    meant: str | None
    usual: str | None

    @property
    def place(self) -> str | None:
        return self.meant or self.usual


class Claims:
    """What there is of open moves and unshipped sales, in the units that stock is kept in."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.allocated: dict[Place, Decimal] = defaultdict(Decimal)
        self.reserved: dict[Place, Decimal] = defaultdict(Decimal)
        self.incoming: dict[Place, _Days] = defaultdict(lambda: defaultdict(Decimal))

    def add(
        self,
        products: Mapping[int, StockedProduct],
        moves: Iterable[Movement],
        lines: Iterable[WantingLine],
    ) -> None:
        """Count all that concerns these products."""
        homes = {}
        for line in lines:
            home = self._home(line)
            for origin, wanted in line.wants():
                homes[origin] = home
                product = products.get(wanted.product or 0)
                if product is not None and home.place is not None:
                    self.allocated[home.place, product.id] += _uncovered(wanted, product)
        for move in moves:
            if move.state in OPEN and move.product in products:
                self._add(move, homes.get(move.origin or ""))

    def _home(self, line: WantingLine) -> _Home:
        note = read_note(line.note)
        meant = note[1] if note else None
        warehouse = self._places.warehouse_by_id.get(line.sale.warehouse or 0)
        return _Home(meant if meant in self._places.warehouses else None, warehouse)

    def _add(self, move: Movement, home: _Home | None) -> None:
        here = self._places.shelf_of.get(move.from_location)
        there = self._places.shelf_of.get(move.to_location)
        if here is not None and here == there:
            return
        to_customer = move.to_location in self._places.customers
        if here is not None and to_customer:
            self.allocated[_where(move, here, home), move.product] += move.quantity
        if move.state == "staging":
            # Not decided yet: Tryton itself does not count it either.
            return
        if here is not None and not to_customer:
            self.reserved[here, move.product] += move.quantity
        coming = there or self._places.arrival_of.get(move.to_location)
        if (
            coming is not None
            and coming != here
            and move.planned_date is not None
            and not self._is_back(move)
        ):
            self.incoming[coming, move.product][move.planned_date] += move.quantity

    def _is_back(self, move: Movement) -> bool:
        """Whether a customer sends it back: nobody knows yet whether it can be sold again."""
        return move.from_location in self._places.customers or (move.shipment or "").startswith(
            f"{RETURN_SHIPMENT},"
        )


def _where(move: Movement, here: str, home: _Home | None) -> str:
    """The warehouse that a move to a customer takes from.

    Tryton puts every new shipment of a sale at the sale's warehouse, and we bring it to where the line was sold from.
    One that has not come there yet, and that nobody has begun with, takes from there already.
    """
    begun = move.paper is not None and move.paper.state not in _NOT_BEGUN
    if home is None or home.meant is None or begun or here != home.usual:
        return here
    return home.meant


def _uncovered(wanted: Wanted, product: StockedProduct) -> Decimal:
    """What no move will bring to the customer yet."""
    if wanted.unit is None or wanted.quantity is None or wanted.quantity <= 0:
        return Decimal(0)
    quantity = Decimal(str(wanted.quantity)) * wanted.unit.size / product.default_uom.size
    return max(Decimal(0), quantity - wanted.covered)


def levels_of(
    products: Sequence[StockedProduct],
    places: Places,
    on_hand: Mapping[Place, Decimal],
    claims: Claims,
) -> list[ErpStock]:
    """A level of each product at each warehouse, in whole sales units: what is there rounded down, claims up."""
    return [
        _level(product, warehouse, on_hand, claims) for product in products for warehouse in places.warehouses
    ]


def _level(
    product: StockedProduct, warehouse: str, on_hand: Mapping[Place, Decimal], claims: Claims
) -> ErpStock:
    place = (warehouse, product.id)
    there = _units(on_hand.get(place, Decimal(0)), product, ROUND_FLOOR)
    allocated = _units(claims.allocated.get(place, Decimal(0)), product, ROUND_CEILING)
    reserved = _units(claims.reserved.get(place, Decimal(0)), product, ROUND_CEILING)
    coming = sorted(claims.incoming.get(place, {}).items())
    incoming = [(day, _units(quantity, product, ROUND_FLOOR)) for day, quantity in coming]
    if not product.is_sold:
        # Taken out of the catalogue: it is on the shelf, and nobody is to have it.
        reserved, incoming = max(reserved, there - allocated), []
    return ErpStock(
        product=product.code or "",
        warehouse=warehouse,
        on_hand=there,
        allocated=allocated,
        reserved=reserved,
        incoming=tuple(Incoming(expected=day, quantity=units) for day, units in incoming if units > 0),
    )


def kit_of(product: StockedProduct) -> Kit | None:
    """The kit in whole sales units of its components, rounded up; None where it has none that can be named."""
    components: dict[str, Decimal] = defaultdict(Decimal)
    for part in product.parts:
        if not part.product.code:
            return None
        quantity = Decimal(str(part.quantity)) * part.unit.size / part.product.default_uom.size
        components[part.product.code] += quantity * product.per_unit / part.product.per_unit
    units = {code: _whole(quantity, ROUND_CEILING) for code, quantity in components.items() if quantity > 0}
    return Kit(product=product.code or "", components=units) if units else None


def _units(quantity: Decimal, product: StockedProduct, rounding: str) -> int:
    return _whole(quantity / product.per_unit, rounding)


def _whole(units: Decimal, rounding: str) -> int:
    return int(units.quantize(_GRAIN).to_integral_value(rounding))
