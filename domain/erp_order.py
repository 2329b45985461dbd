"""The two shapes of an order at the ERP: ``SalesOrder`` is what we ask for, ``ErpOrder`` what it says.

A storefront line that ships from two warehouses is two ``SalesLine``s, so that every ERP line belongs to one
warehouse and its shipments can be told apart.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from domain.model import Amount, Currency, Frozen, Instant, Quantity
from domain.order import Address, OrderKey


class SalesLineKind(StrEnum):
    """What a line charges for."""

    GOODS = "goods"
    SHIPPING = "shipping"
    TIP = "tip"
    DUTY = "duty"
    SURCHARGE = "surcharge"
    """An additional fee of the storefront."""
    ADJUSTMENT = "adjustment"
    """A difference that a person accepted or the mapping tolerates; its amount may be below zero."""
    FEE = "fee"
    """What is held back of a credit note for taking goods back."""
    KEPT = "kept"
    """What is held back of a credit note for pieces of a kit that have not come back with the others."""
    PIECES = "pieces"
    """The same, given back with the pieces."""


LOWERING = frozenset({SalesLineKind.FEE, SalesLineKind.KEPT})
"""Lines by which a credit note comes to less."""


COUNTED = frozenset({SalesLineKind.GOODS, SalesLineKind.TIP})
"""Lines whose units are those of a line of the storefront."""

ADJUSTMENT_LINE = "accepted-difference"
"""``line_id`` of the one adjustment line of an order: it comes from no storefront line."""

TAX_ADJUSTMENT_LINE = "tax-difference"
"""``line_id`` of the adjustment line for a difference in tax within the tolerance of the mapping."""

ADJUSTMENT_LINES = frozenset({ADJUSTMENT_LINE, TAX_ADJUSTMENT_LINE})


class TaxAmount(Frozen):
    """A tax by the ERP's code, and its exact amount."""

    code: str
    amount: Amount


class SalesLine(Frozen):
    """A line to enter in the ERP: ``net`` is for all units, after discounts, without tax."""

    line_id: str
    """The storefront line (or shipping charge) it comes from."""
    kind: SalesLineKind
    product: str
    """The ERP's product code."""
    warehouse: str | None
    """The ERP's warehouse code; None for what is not shipped."""
    quantity: Quantity
    net: Amount
    taxes: tuple[TaxAmount, ...] = ()
    description: str = ""


class SalesParty(Frozen):
    """Who is invoiced. ``code`` names an existing party (B2B); else one is found or made by ``reference``."""

    code: str | None = None
    reference: str
    """Stable identity in the storefront: customer id, or the order itself for a guest."""
    name: str
    email: str | None = None


class SalesPayment(Frozen):
    """How the buyer pays, in the ERP's words, for the note on the order."""

    method: str
    amount: Amount


class SalesOrder(Frozen):
    """An order ready to be entered. ``key`` is the idempotency key: one ERP order per key, ever."""

    key: OrderKey
    number: str
    mapping_version: str
    placed_at: Instant
    currency: Currency
    party: SalesParty
    billing_address: Address | None
    shipping_address: Address | None
    price_list: str | None = None
    carrier: str | None = None
    lines: tuple[SalesLine, ...]
    payments: tuple[SalesPayment, ...] = ()
    total: Amount
    taxes: tuple[TaxAmount, ...]
    """Expected tax of the whole order, one entry a code."""
    tax_tolerance: Amount = Decimal(0)
    """So much tax, in all, may be more or less than the ERP reckons by its own rates, beside the rounding of a line."""
    instructions: str = ""
    exchange_id: str = ""
    """Id of the return that these lines are the exchange of, and with ``key`` the idempotency key; else empty."""
    only: tuple[str, ...] | None = None
    """Ids of the lines that ``lines`` are all there is of, zero units of one included; whatever else the ERP has stays
    as it is there, and comes with them to ``total`` and ``taxes``. None: ``lines`` are the whole order."""
    complete_only: bool = False
    """Nothing of it is to leave before all of it is in stock; an ERP that cannot hold back ships what is there."""


class ErpOrderState(StrEnum):
    """Where the order stands in the ERP."""

    DRAFT = "draft"
    ACCEPTED = "accepted"
    DONE = "done"
    CANCELED = "canceled"


class ErpShipmentState(StrEnum):
    """Where a shipment stands in the warehouse."""

    WAITING = "waiting"
    RESERVED = "reserved"
    PICKED = "picked"
    PACKED = "packed"
    SHIPPED = "shipped"
    CANCELED = "canceled"


class ShipmentLine(Frozen):
    """Units of a storefront line in a shipment; kits are counted whole, in the parcel that completes them."""

    line_id: str
    quantity: Quantity


class KitPieces(Frozen):
    """Pieces of a product that a kit is made of."""

    line_id: str
    """The storefront line of the kit."""
    product: str
    quantity: Quantity


class KitPart(Frozen):
    """A component of a kit."""

    product: str
    quantity: Quantity
    """Pieces of it in one kit."""
    share: Decimal = Decimal(1)
    """What one piece weighs in the kit's price, beside the others."""


class KeptPieces(Frozen):
    """Pieces of kits that count as returned and have not come back, and what is held back for them.

    Below zero, all of it: pieces that have come, and what is given back for them.
    """

    line_id: str
    product: str
    quantity: int
    net: Amount
    taxes: tuple[TaxAmount, ...] = ()

    @property
    def gross(self) -> Decimal:
        """Tax included."""
        return self.net + sum((tax.amount for tax in self.taxes), Decimal(0))


class ErpShipment(Frozen):
    """A shipment (parcel) as the ERP tells it."""

    shipment_id: str
    number: str
    warehouse: str
    state: ErpShipmentState
    lines: tuple[ShipmentLine, ...]
    """Of kits those that are complete with it."""
    pieces: tuple[KitPieces, ...] = ()
    """What has left with it of kits that it does not complete."""
    carrier: str | None = None
    tracking_number: str | None = None
    shipped_at: Instant | None = None


class ErpLine(Frozen):
    """What the ERP holds of one storefront line at one warehouse."""

    line_id: str
    product: str
    warehouse: str | None
    quantity: Quantity


class Backorder(Frozen):
    """Units of a storefront line that are not in stock. They stand on no shipment."""

    line_id: str
    warehouse: str | None
    """Where they are to leave from once they are there."""
    quantity: Quantity
    expected: date | None = None
    """The day on which the ERP expects to send them."""


class ErpInvoiceState(StrEnum):
    """Where an invoice stands in the books."""

    DRAFT = "draft"
    """Made, and not posted yet."""
    POSTED = "posted"
    PAID = "paid"
    CANCELED = "canceled"


class ErpInvoice(Frozen):
    """An invoice or a credit note of the order, in the order's currency."""

    invoice_id: str
    number: str = ""
    """What accounting calls it; a draft has none yet."""
    state: ErpInvoiceState
    is_credit: bool = False
    """A credit note: it gives money back, and its amounts are not below zero for that."""
    net: Amount
    tax: Amount
    total: Amount


class ErpReturnState(StrEnum):
    """Where a return stands in the ERP."""

    EXPECTED = "expected"
    """The warehouse knows that goods are to come."""
    RECEIVED = "received"
    """Goods came in; what becomes of them is not settled."""
    SETTLED = "settled"
    """Stocked or written off, and credited."""
    CANCELED = "canceled"


class CreditedLine(ShipmentLine):
    """Units of a storefront line that a credit note gives the worth back of: ``net`` is of all of them, without tax."""

    net: Amount = Decimal(0)
    taxes: tuple[TaxAmount, ...] = ()
    """By code, as the ERP taxes the line; what it rounds over the whole note stands in the note's own taxes alone."""


class ErpReturn(Frozen):
    """A return as the ERP tells it; amounts are above zero in the buyer's favor."""

    return_id: str
    number: str
    """What the warehouse calls it."""
    state: ErpReturnState
    expected: tuple[ShipmentLine, ...] = ()
    received: tuple[ShipmentLine, ...] = ()
    """Units that came in. Pieces of a kit that is not complete stand as ``domain.kit_returns.piece_of`` names them."""
    credited: tuple[CreditedLine, ...] = ()
    """Of kits whole ones, whatever of them is ``kept``."""
    total: Amount = Decimal(0)
    """What its credit note comes to, tax included and the fee taken off."""
    taxes: tuple[TaxAmount, ...] = ()
    fee: Amount = Decimal(0)
    """What the credit note holds back: a fee, and what is ``kept``."""
    kept: tuple[KeptPieces, ...] = ()


class ErpExchange(Frozen):
    """What the ERP has entered for an exchange: an order of its own, which is counted in with its ``ErpOrder``."""

    return_id: str
    erp_id: str
    number: str
    lines: tuple[str, ...]
    """Ids of the storefront's lines."""
    total: Amount
    taxes: tuple[TaxAmount, ...] = ()


class TaxAdjustmentCause(StrEnum):
    """Why a tax at the ERP was brought to the storefront's amount."""

    ROUNDING = "rounding"
    """The two round otherwise: a cent a line and tax at most."""
    TOLERANCE = "within the tolerance"


class TaxAdjustment(Frozen):
    """What the ERP's own reckoning of a tax was brought up (or down) by, on a line that says so."""

    code: str
    """The ERP's; empty for a difference that belongs to no single tax."""
    cause: TaxAdjustmentCause
    amount: Amount


class ErpOrder(Frozen):
    """The order as the ERP tells it, read whole. What came back stands in ``returns`` and nowhere else."""

    key: OrderKey
    erp_id: str
    number: str
    state: ErpOrderState
    currency: Currency
    total: Amount
    taxes: tuple[TaxAmount, ...]
    lines: tuple[ErpLine, ...] = ()
    shipments: tuple[ErpShipment, ...] = ()
    backorders: tuple[Backorder, ...] = ()
    """Empty also where the ERP does not tell what is in stock."""
    given_up: dict[str, Quantity] = Field(default_factory=dict)
    """Line -> units that people at the ERP have taken off their shipments and that nothing is to be sent of: they are
    still sold there, and neither to ship nor on backorder. Kits are counted that cannot be sent whole any more."""
    begun: dict[str, Quantity] = Field(default_factory=dict)
    """Line -> kits of which some pieces have left and others have not."""
    kits: dict[str, tuple[KitPart, ...]] = Field(default_factory=dict)
    """Line -> what one kit of it is made of."""
    invoices: tuple[ErpInvoice, ...] = ()
    """Empty also where the ERP tells of none."""
    adjustment: Amount = Decimal(0)
    """What its ``ADJUSTMENT_LINES`` come to."""
    tax_adjustments: tuple[TaxAdjustment, ...] = ()
    """By code and cause. Those with a code are in ``taxes``, the one without is in ``adjustment``."""
    returns: tuple[ErpReturn, ...] = ()
    supplements: tuple[str, ...] = ()
    """Numbers of further records that hold what edits added, where the ERP needs any; all of theirs is counted in."""
    exchanges: tuple[ErpExchange, ...] = ()
    """Their lines, shipments, invoices and amounts are among those of the order, the amounts of canceled ones not."""


class RefusedChange(Frozen):
    """A part of an edit that the ERP's state does not allow."""

    line_id: str | None
    """The storefront line; None: the order itself (address, carrier, note)."""
    change: str
    """In plain words: ``2 -> 1 units``, ``the shipping address``."""
    reason: str
    """Why not, in plain words: ``shipment P00004 from WH-EAST is picked``."""
