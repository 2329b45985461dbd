"""Where goods come back in: return shipments, their incoming moves, and the places around them. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from adapters.tryton.records import MOVE, RETURN_SHIPMENT, SHIPMENT, PaperRecord
from adapters.tryton.returned import ReturnPaper

DOCK_FIELDS: Final = (
    *("state", "_timestamp", "warehouse", "warehouse_input", "warehouse_storage", "customer"),
    *("warehouse.code", "warehouse.output_location", "warehouse.waste_locations", "contact_address"),
)
PIECE_FIELDS: Final = (
    *("product", "unit", "unit_price", "currency", "company", "from_location", "to_location", "quantity"),
    *(f"outcome_moves.{name}" for name in ("state", "quantity", "shipment", "to_location.type")),
    "outcome_moves.shipment.state",
)


class StockRecord(BaseModel):
    """A record as Tryton tells it."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    id: int


class _Place(StockRecord):
    type: str


class _Onward(StockRecord):
    state: str
    quantity: float
    shipment: str | None = None
    paper: PaperRecord | None = Field(default=None, alias="shipment.")
    to_location: _Place = Field(alias="to_location.")


class Pieces(StockRecord):
    """An incoming move: where its pieces are now, and what is needed to move them on."""

    product: int
    unit: int
    unit_price: Decimal | None = None
    currency: int | None = None
    company: int
    from_location: int
    to_location: int
    quantity: float
    onward: tuple[_Onward, ...] = Field(default=(), alias="outcome_moves.")

    @property
    def all(self) -> Decimal:
        """How many came in."""
        return Decimal(str(self.quantity))

    def inside(self, kind: str) -> dict[int, Decimal]:
        """Moves to a place of this type within the return shipment, with their pieces."""
        return {
            x.id: Decimal(str(x.quantity)) for x in self._onto(RETURN_SHIPMENT) if x.to_location.type == kind
        }

    @property
    def sent_again(self) -> Decimal:
        """Pieces that are on a shipment to the customer already."""
        return sum((Decimal(str(x.quantity)) for x in self._onto(SHIPMENT)), Decimal(0))

    @property
    def unready(self) -> set[int]:
        """Shipments to the customer that an interrupted call has left as drafts."""
        drafts = (x for x in self._onto(SHIPMENT) if x.paper is not None and x.paper.state == "draft")
        return {int((x.shipment or "").partition(",")[2]) for x in drafts}

    def onto(self, pieces: Decimal, start: int, end: int) -> dict[str, Any]:
        """Values of a move that takes so many of the pieces further."""
        return {
            "product": self.product,
            "unit": self.unit,
            "quantity": float(pieces),
            "from_location": start,
            "to_location": end,
            "company": self.company,
            "origin": f"{MOVE},{self.id}",
        }

    def _onto(self, model: str) -> Iterator[_Onward]:
        return (
            x for x in self.onward if x.state != "cancelled" and (x.shipment or "").startswith(f"{model},")
        )


class _Warehouse(StockRecord):
    code: str | None = None
    output_location: int | None = None
    waste_locations: tuple[int, ...] = ()


class Dock(StockRecord):
    """A return shipment, and the places around it."""

    state: str
    timestamp: str = Field(alias="_timestamp")
    customer: int
    contact_address: int | None = None
    warehouse_input: int
    warehouse_storage: int
    warehouse: _Warehouse = Field(alias="warehouse.")

    @property
    def one_step(self) -> bool:
        """What comes in here is on the shelf at once."""
        return self.warehouse_input == self.warehouse_storage


class Goods(NamedTuple):
    """Everything that came in on one return."""

    papers: tuple[ReturnPaper, ...]
    docks: dict[int, Dock]
    pieces: dict[int, Pieces]

    def on_the_shelf(self, paper: ReturnPaper, move: int) -> Decimal:
        """Pieces that are on the shelf for good."""
        pieces = self.pieces[move]
        if self.docks[paper.id].one_step:
            return pieces.all - self.written_off(move) - pieces.sent_again
        return sum(pieces.inside("storage").values(), Decimal(0))

    def written_off(self, move: int) -> Decimal:
        """Pieces that are written off for good."""
        return sum(self.pieces[move].inside("lost_found").values(), Decimal(0))
