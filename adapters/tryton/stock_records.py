"""Tryton's records of stock as they must come back, and the fields that are read of them."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.errors import ContractBroken
from adapters.tryton.rpc import SYSTEM

PRODUCT: Final = "product.product"
SALE_LINE: Final = "sale.line"
COMPONENT: Final = "sale.line.component"
COUNTED: Final = ("goods", "assets")
"""Types of products that lie on a shelf."""
KIT: Final = "kit"
ALL_RECORDS: Final = {"active_test": False}
"""A context in which what is not active is found as well."""
OPEN: Final = frozenset({"staging", "draft", "assigned"})
_PARTS: Final = (
    *("quantity", "parent_product", "unit.factor"),
    *(f"product.{name}" for name in ("code", "sale_uom.factor", "default_uom.factor")),
)
PRODUCT_FIELDS: Final = (
    *("code", "type", "active", "template.active", "default_uom.factor", "sale_uom.factor"),
    *(f"components.{name}" for name in _PARTS),
    *(f"template.components.{name}" for name in _PARTS),
)
MOVE_FIELDS: Final = (
    *("product", "state", "internal_quantity", "from_location", "to_location", "planned_date"),
    *("origin", "shipment", "shipment.state", "create_date", "write_date"),
)
_SENT: Final = ("moves.state", "moves.internal_quantity", "moves_ignored")
LINE_FIELDS: Final = (
    *("product", "quantity", "unit.factor", "note", "sale.warehouse", *_SENT),
    *(f"components.{name}" for name in ("product", "quantity", "unit.factor", *_SENT)),
)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int


class UnitRecord(_Record):
    """A unit of measure; ``factor`` is how many of its category's base unit it is."""

    factor: float

    @property
    def size(self) -> Decimal:
        """The factor, exactly."""
        return Decimal(str(self.factor))


class _Measured(_Record):
    """A product of which only the units matter."""

    code: str | None = None
    default_uom: UnitRecord = Field(alias="default_uom.")
    sale_uom: UnitRecord | None = Field(default=None, alias="sale_uom.")

    @property
    def per_unit(self) -> Decimal:
        """How much of the unit that stock is kept in makes one sales unit."""
        return (self.sale_uom or self.default_uom).size / self.default_uom.size


class PartRecord(_Record):
    """What a kit is made of."""

    product: _Measured = Field(alias="product.")
    parent_product: int | None = None
    quantity: float
    unit: UnitRecord = Field(alias="unit.")


class _TemplateRecord(_Record):
    active: bool
    components: tuple[PartRecord, ...] = Field(default=(), alias="components.")


class StockedProduct(_Measured):
    """A product that lies on a shelf, or a kit."""

    type: str
    active: bool
    template: _TemplateRecord = Field(alias="template.")
    components: tuple[PartRecord, ...] = Field(default=(), alias="components.")

    @property
    def is_sold(self) -> bool:
        """Whether it can be put on a sale: it is in the catalogue."""
        return self.active and self.template.active

    @property
    def parts(self) -> tuple[PartRecord, ...]:
        """Of a kit: its own, or those of all variants."""
        return self.components or tuple(p for p in self.template.components if p.parent_product is None)


class _PaperRecord(_Record):
    state: str


class CountedProduct(_Record):
    """How much of a product is at the places that were asked about."""

    quantity: float


class Movement(_Record):
    """Stock on its way, in the unit that the product's stock is kept in."""

    product: int
    state: str
    internal_quantity: float
    from_location: int
    to_location: int
    planned_date: date | None = None
    origin: str | None = None
    shipment: str | None = None
    paper: _PaperRecord | None = Field(default=None, alias="shipment.")
    create_date: datetime
    write_date: datetime | None = None

    @property
    def quantity(self) -> Decimal:
        """How much, exactly."""
        return Decimal(str(self.internal_quantity))


class _SentRecord(_Record):
    state: str
    internal_quantity: float


class Wanted(_Record):
    """What a sale wants of a product, and the moves that were made for it."""

    product: int | None = None
    quantity: float | None = None
    unit: UnitRecord | None = Field(default=None, alias="unit.")
    moves: tuple[_SentRecord, ...] = Field(default=(), alias="moves.")
    moves_ignored: tuple[int, ...] = ()

    @property
    def covered(self) -> Decimal:
        """What has left, is to leave by a move, or was given up by people: a canceled move that they ignored."""
        return sum(
            (
                Decimal(str(move.internal_quantity))
                for move in self.moves
                if move.state != "cancelled" or move.id in self.moves_ignored
            ),
            Decimal(0),
        )


class _WantingSale(_Record):
    warehouse: int | None = None


class WantingLine(Wanted):
    """A line of a sale that is not over."""

    note: str | None = None
    sale: _WantingSale = Field(alias="sale.")
    components: tuple[Wanted, ...] = Field(default=(), alias="components.")

    def wants(self) -> Iterator[tuple[str, Wanted]]:
        """Each product that it wants, by the name that moves have as their origin; of a kit its components."""
        if self.components:
            yield from ((f"{COMPONENT},{part.id}", part) for part in self.components)
        else:
            yield f"{SALE_LINE},{self.id}", self


_Read = TypeVar("_Read", bound=BaseModel)


def read_rows(operation: str, kind: type[_Read], rows: Any) -> list[_Read]:
    """Raises ContractBroken where they are no list of such records."""
    if not isinstance(rows, list):
        raise ContractBroken(SYSTEM, operation, "the answer is no list", str(rows))
    try:
        return [kind.model_validate(row) for row in rows]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractBroken(SYSTEM, operation, f"{where}: {first['msg']}", str(rows)) from error
