"""Tryton's records as they must come back: ``SALE_FIELDS`` names all that is read of a sale in one call."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.errors import ContractBroken
from adapters.tryton.amounts import LineTax
from adapters.tryton.notes import read_note
from adapters.tryton.translate import EXCHANGE_MARK, SUPPLEMENT_MARK, PlannedLine, exchange_mark
from domain.order import OrderKey

SHIPMENT: Final = "stock.shipment.out"
RETURN_SHIPMENT: Final = "stock.shipment.out.return"
MOVE: Final = "stock.move"
_MOVE: Final = ("state", "quantity", "shipment")
_SENT: Final = (
    *_MOVE,
    # What came of a move to the customer: how it was picked, and what came back of it.
    *(f"outcome_moves.{name}" for name in _MOVE),
    *(f"outcome_moves.shipment.{name}" for name in ("number", "state", "reference")),
    *(f"outcome_moves.outcome_moves.{name}" for name in _MOVE),
)
SALE_FIELDS: Final = (
    *(
        "number",
        "state",
        "origin",
        "web_id",
        "web_shop.name",
        "party",
        "invoice_address",
        "shipment_address",
        "carrier",
    ),
    *("comment", "total_amount", "tax_amount", "shipment_state", "invoice_state", "payment_term"),
    *("currency.code", "currency.rounding", "warehouse.code"),
    *(
        "lines.type",
        "lines.product.code",
        "lines.product.type",
        "lines.quantity",
        "lines.unit_price",
        "lines.note",
    ),
    *(f"lines.taxes.{name}" for name in ("description", "type", "rate", "amount", "sequence")),
    *(f"lines.moves.{name}" for name in _SENT),
    *("lines.moves_ignored", "lines.moves_recreated"),
    *(f"lines.components.{name}" for name in ("quantity", "product.code", "price_ratio", "fixed")),
    *(f"lines.components.moves.{name}" for name in _SENT),
    *("lines.components.moves_ignored", "lines.components.moves_recreated"),
    *("shipments.number", "shipments.state", "shipments.warehouse.code", "shipments.reference"),
    *("shipments.effective_date", "shipments.carrier.party.code", "shipments._timestamp"),
    *("invoices.state", "invoices.number"),
    *("invoices.untaxed_amount", "invoices.tax_amount", "invoices.total_amount"),
    "invoices_ignored",
)
STOCK_FIELDS: Final = (
    *(f"shipments.inventory_moves.{name}" for name in ("state", "quantity", "origin")),
    *("shipments.planned_date", "sale_date"),
)
"""What is read beside them where the ERP is to tell what is not in stock."""
LISTED_FIELDS: Final = (
    *("number", "state", "origin", "web_id", "web_shop.name", "reference", "shipment_state", "invoice_state"),
    *("create_date", "write_date", "lines.type", "lines.quantity", "lines.note"),
    *(f"lines.moves.{name}" for name in _MOVE),
    "lines.components.quantity",
    *(f"lines.components.moves.{name}" for name in _MOVE),
    *("shipments.state", "shipments.effective_date", "shipments.warehouse.code"),
    *("shipments.create_date", "shipments.write_date", "invoices.state"),
)
"""What a list reads of a sale: enough to compare it."""
SHIPPABLE: Final = frozenset({"goods", "assets", "kit"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    id: int


class CodeRecord(_Record):
    """A record of which only the code matters."""

    code: str | None = None


class ShopRecord(_Record):
    """A web shop; its name is the channel."""

    name: str


class CurrencyRecord(_Record):
    """A currency and its smallest unit."""

    code: str
    rounding: Decimal


class ProductRecord(CodeRecord):
    """A product."""

    type: str


class TaxRecord(_Record):
    """A tax; its code is kept in ``description``."""

    description: str
    type: str
    rate: Decimal | None = None
    amount: Decimal | None = None
    sequence: int | None = None

    def line_tax(self) -> LineTax:
        """As the arithmetic takes it."""
        fixed = self.type == "fixed"
        return LineTax(
            id=self.id,
            code=self.description,
            rate=None if fixed else self.rate,
            amount=self.amount if fixed else None,
            sequence=self.sequence,
        )


class _Move(_Record):
    """Pieces of a product on their way."""

    state: str
    quantity: float
    shipment: str | None = None

    @property
    def shipment_id(self) -> int | None:
        """The customer shipment it is in."""
        return self._within(SHIPMENT)

    @property
    def return_id(self) -> int | None:
        """The customer return shipment it is in."""
        return self._within(RETURN_SHIPMENT)

    @property
    def pieces(self) -> Decimal:
        """Its quantity, exactly."""
        return Decimal(str(self.quantity))

    def _within(self, model: str) -> int | None:
        found, _, number = (self.shipment or "").partition(",")
        return int(number) if found == model else None


class OnwardMove(_Move):
    """What became of what came back: on the shelf, written off, or sent to the buyer again."""


class PaperRecord(_Record):
    """Number, state and reference of a shipment of any kind."""

    number: str | None = None
    state: str
    reference: str | None = None


class OutcomeMove(_Move):
    """A move that was made from a move to the customer: the picking of it, or what of it comes back."""

    paper: PaperRecord | None = Field(default=None, alias="shipment.")
    onward: tuple[OnwardMove, ...] = Field(default=(), alias="outcome_moves.")


class MoveRecord(_Move):
    """Units of a product on their way to the customer."""

    outcome: tuple[OutcomeMove, ...] = Field(default=(), alias="outcome_moves.")


class InventoryMoveRecord(_Record):
    """Units taken from a shelf for a move of a shipment, its ``origin``; ``assigned``: they are reserved."""

    state: str
    quantity: float
    origin: str | None = None


class Movable(_Record):
    """What has moves: a sale line, or a component of a kit."""

    quantity: float | None = None
    moves: tuple[MoveRecord, ...] = Field(default=(), alias="moves.")
    moves_ignored: tuple[int, ...] = ()
    moves_recreated: tuple[int, ...] = ()

    @property
    def ordered(self) -> Decimal:
        """Units, or pieces of a component, that are sold, exactly."""
        return Decimal(str(self.quantity or 0))

    @property
    def alive(self) -> Decimal:
        """Units on moves that are not canceled: what has left, and what is to."""
        return sum((move.pieces for move in self.moves if move.state != "cancelled"), Decimal(0))

    def dropped(self) -> tuple[MoveRecord, ...]:
        """Canceled moves that none was made anew for. Tryton counts them as shipped and makes none in their place."""
        return tuple(
            move for move in self.moves if move.state == "cancelled" and move.id not in self.moves_recreated
        )

    def unhandled(self) -> Iterator[int]:
        """Canceled moves of which nobody has said yet what shall become of them."""
        return (move.id for move in self.dropped() if move.id not in self.moves_ignored)


class ComponentRecord(Movable):
    """A component of a kit."""

    product: CodeRecord | None = Field(default=None, alias="product.")
    price_ratio: Decimal | None = None
    """What one piece is of the kit's price."""
    fixed: bool = False
    """As many pieces go along however many kits there are."""

    @property
    def code(self) -> str:
        """Its product's code."""
        return (self.product.code if self.product else None) or f"component {self.id}"


class LineRecord(Movable):
    """A sale line."""

    type: str
    product: ProductRecord | None = Field(default=None, alias="product.")
    unit_price: Decimal | None = None
    note: str | None = None
    taxes: tuple[TaxRecord, ...] = Field(default=(), alias="taxes.")
    components: tuple[ComponentRecord, ...] = Field(default=(), alias="components.")

    @property
    def units(self) -> Decimal:
        """Ordered units, exactly."""
        return self.ordered

    @property
    def origin(self) -> tuple[str, str | None]:
        """Storefront line and warehouse; a line that people added at the ERP is named after its own id."""
        return read_note(self.note) or (f"erp:{self.id}", None)

    def all_moves(self) -> tuple[MoveRecord, ...]:
        """Its own and its components' moves."""
        return (*self.moves, *(move for component in self.components for move in component.moves))

    def planned(self) -> PlannedLine:
        """As a plan would have it."""
        product = self.product.id if self.product else 0
        taxes = frozenset(tax.id for tax in self.taxes)
        return PlannedLine(product, self.units, self.unit_price or Decimal(0), taxes, self.note or "")


class CarrierRecord(_Record):
    """A carrier; its party's code is its own."""

    party: CodeRecord | None = Field(default=None, alias="party.")


class ShipmentRecord(_Record):
    """A customer shipment. ``reference`` holds the tracking number."""

    number: str | None = None
    state: str
    warehouse: CodeRecord = Field(alias="warehouse.")
    reference: str | None = None
    effective_date: date | None = None
    carrier: CarrierRecord | None = Field(default=None, alias="carrier.")
    create_date: datetime | None = None
    write_date: datetime | None = None
    timestamp: str | None = Field(default=None, alias="_timestamp")
    """Given back to Tryton to have a write refused where the shipment changed in between."""
    planned_date: date | None = None
    inventory_moves: tuple[InventoryMoveRecord, ...] | None = Field(default=None, alias="inventory_moves.")
    """None where nobody asked for them."""


class InvoiceRecord(_Record):
    """An invoice of the sale."""

    state: str
    number: str | None = None


class BilledRecord(InvoiceRecord):
    """An invoice with what it comes to; a credit note's amounts are below zero."""

    untaxed_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal


class SaleBody(_Record):
    """The part of a sale that tells how far it is."""

    number: str | None = None
    state: str
    shipment_state: str
    invoice_state: str
    lines: tuple[LineRecord, ...] = Field(default=(), alias="lines.")
    shipments: tuple[ShipmentRecord, ...] = Field(default=(), alias="shipments.")
    invoices: tuple[InvoiceRecord, ...] = Field(default=(), alias="invoices.")

    @property
    def order_lines(self) -> tuple[LineRecord, ...]:
        """Lines that charge something; titles and comments are none."""
        return tuple(line for line in self.lines if line.type == "line")


class ListedSale(SaleBody):
    """A sale as a list shows it; one that people entered may lack shop and web id."""

    web_id: str | None = None
    web_shop: ShopRecord | None = Field(default=None, alias="web_shop.")
    reference: str | None = None
    origin: str | None = None
    create_date: datetime
    write_date: datetime | None = None


CREDIT_MARK: Final = "/return/"
"""Stands in the web id of a sale that credits a return: after the order's, before the return's."""


class SaleRecord(SaleBody):
    """A sale with all that belongs to it, the sales included that credit its returns and those that ship beside it."""

    web_id: str
    web_shop: ShopRecord = Field(alias="web_shop.")
    party: int
    invoice_address: int | None = None
    shipment_address: int | None = None
    carrier: int | None = None
    payment_term: int | None = None
    comment: str | None = None
    sale_date: date | None = None
    total_amount: Decimal
    tax_amount: Decimal
    currency: CurrencyRecord = Field(alias="currency.")
    warehouse: CodeRecord | None = Field(default=None, alias="warehouse.")
    invoices: tuple[BilledRecord, ...] = Field(default=(), alias="invoices.")
    invoices_ignored: tuple[int, ...] = ()
    credits: tuple["SaleRecord", ...] = ()
    beside: tuple["SaleRecord", ...] = ()
    """Those for its exchanges, and for what edits added once it was on its way."""

    @property
    def key(self) -> OrderKey:
        """Whose order it is."""
        return OrderKey(channel=self.web_shop.name, external_id=self.web_id)

    @property
    def return_credited(self) -> str:
        """The return that this sale credits; empty where it is an order."""
        return self.web_id.partition(CREDIT_MARK)[2]

    @property
    def exchanged_return(self) -> str:
        """The return that this sale is the exchange of; empty where it is an order."""
        return self.web_id.partition(EXCHANGE_MARK)[2]

    @property
    def every_line(self) -> tuple[LineRecord, ...]:
        """Its lines and those of the sales beside it: what may come back of it."""
        return (*self.order_lines, *(line for each in self.beside for line in each.order_lines))

    @property
    def supplements(self) -> tuple["SaleRecord", ...]:
        """The sales for what edits added, as they came."""
        found = (each for each in self.beside if SUPPLEMENT_MARK in each.web_id)
        return tuple(sorted(found, key=lambda each: each.id))

    def exchange_of(self, return_id: str) -> "SaleRecord | None":
        """The sale for the exchange of a return; Tryton lets there be one only."""
        return self.marked(exchange_mark(return_id))

    def marked(self, mark: str) -> "SaleRecord | None":
        """The sale beside it with this mark; Tryton lets there be one only."""
        return next((each for each in self.beside if each.web_id == f"{self.web_id}{mark}"), None)

    def credit_of(self, return_id: str) -> "SaleRecord | None":
        """The sale that credits a return; Tryton lets there be one only."""
        return next((credit for credit in self.credits if credit.return_credited == return_id), None)


def read_record(raw: Any) -> SaleRecord:
    """Raises ContractBroken where Tryton's answer is not a sale as asked for."""
    try:
        return SaleRecord.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractBroken("tryton", "read sale", f"{where}: {first['msg']}", str(raw)) from error
