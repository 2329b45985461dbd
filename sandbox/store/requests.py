"""What the control API understands: orders to place and edits to make, in a form a person can read and write.

Only ``lines`` is required: the rest has defaults from ``sandbox.catalog``. Amounts are decimal strings;
prices, discounts and delivery are in the shop's currency, payments in the one that the buyer pays in.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from domain.model import Amount, Currency, Frozen, Quantity, Rate
from sandbox import catalog
from sandbox.store.return_records import Reason

DEFAULT_LOCATION = int(next(iter(catalog.LOCATIONS)))
MOST_UNITS = 1_000_000
"""Of one line, as Shopify has it; far above, the store's file could not hold their price."""


class PlaceTax(Frozen):
    """A tax by title and rate. In JSON also the code of one in the catalogue, such as ``"VAT-20"``."""

    title: str
    rate: Rate


def _from_catalogue(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in catalog.TAXES:
        msg = (
            f"no tax {value!r} in the catalogue; known are {', '.join(catalog.TAXES)}, or give title and rate"
        )
        raise ValueError(msg)
    title, rate = catalog.TAXES[value]
    return {"title": title, "rate": rate}


Taxes = tuple[Annotated[PlaceTax, BeforeValidator(_from_catalogue)], ...]


class PlaceDiscount(Frozen):
    """Either ``amount`` (for the whole line or order) or ``percent``; with a ``code`` it is one the buyer
    entered.
    """

    title: str = "Discount"
    amount: Annotated[Amount, Field(gt=0)] | None = None
    percent: Annotated[Amount, Field(gt=0, le=100)] | None = None
    code: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "PlaceDiscount":
        if (self.amount is None) == (self.percent is None):
            msg = f"discount {self.title!r} needs either amount or percent"
            raise ValueError(msg)
        return self


class PlaceSplit(Frozen):
    """So many units of a line from one location."""

    location: int
    quantity: Quantity


class PlaceDuty(Frozen):
    """What customs take for all units of a line, in the shop's currency."""

    amount: Annotated[Amount, Field(gt=0)]
    hs_code: str | None = None
    country: str | None = None
    """Where the goods come from."""
    taxed: bool = False


class PlaceFee(Frozen):
    """An additional fee on the order, in the shop's currency."""

    name: str
    amount: Annotated[Amount, Field(gt=0)]
    taxed: bool = False


class PlaceLine(Frozen):
    """A line. Without ``split`` all units come from ``location``; without ``price`` the catalogue's is
    charged.
    """

    sku: str
    quantity: Annotated[Quantity, Field(le=MOST_UNITS)] = 1
    price: Annotated[Amount, Field(ge=0)] | None = None
    location: int = DEFAULT_LOCATION
    split: tuple[PlaceSplit, ...] = ()
    anywhere: bool = False
    """From whichever locations have it, as few as there must be, whatever ``location`` and ``split`` say."""
    discount: PlaceDiscount | None = None
    taxes: Taxes | None = None
    """None: the order's taxes; empty: none."""
    tax_off: Amount = Decimal(0)
    """How much more its first tax is than its rate gives, as some tax services have it; in the shop's currency."""
    duty: PlaceDuty | None = None
    release_in_days: float | None = None
    """Sold ahead: it may leave after so many days, and is scheduled until then."""
    attributes: dict[str, str] = Field(default_factory=dict)
    requires_shipping: bool = True

    @model_validator(mode="after")
    def _split_adds_up(self) -> "PlaceLine":
        if self.split and sum(part.quantity for part in self.split) != self.quantity:
            msg = f"the split of {self.sku} must add up to its quantity {self.quantity}"
            raise ValueError(msg)
        if len({part.location for part in self.split}) != len(self.split):
            msg = f"the split of {self.sku} names a location twice"
            raise ValueError(msg)
        return self

    @property
    def parts(self) -> tuple[PlaceSplit, ...]:
        """Where the units come from."""
        return self.split or (PlaceSplit(location=self.location, quantity=self.quantity),)


class PlaceShipping(Frozen):
    """Delivery. ``free`` gives the price as a discount, as a free-shipping offer does."""

    code: str = "standard"
    title: str = ""
    price: Annotated[Amount, Field(ge=0)] = Decimal("7.50")
    taxed: bool = True
    free: bool = False


class PlaceCustomer(Frozen):
    """A buyer with an account; the same email is the same customer."""

    first_name: str
    last_name: str
    email: str


class PlaceCompany(Frozen):
    """A B2B buyer; ``id`` as in ``sandbox.catalog.COMPANIES``, or any other with a ``name``."""

    id: int
    name: str | None = None


class PlaceAddress(Frozen):
    """A postal address; ``country_code`` is ISO 3166-1, ``province_code`` such as ``NY``."""

    first_name: str = "Ada"
    last_name: str = "Example"
    company: str | None = None
    address1: str = "1 Main Street"
    address2: str | None = None
    city: str = "New York"
    zip: str = "10001"
    province: str | None = None
    province_code: str | None = None
    country: str | None = None
    country_code: str = "US"
    phone: str | None = None


class PlacePayment(Frozen):
    """A payment; ``rest`` is what the payments before it leave of the total."""

    gateway: str = "shopify_payments"
    amount: Annotated[Amount, Field(gt=0)] | Literal["rest"] = "rest"
    kind: Literal["authorization", "sale"] = "authorization"
    expires_in_days: int | None = None
    """How long an authorization can be captured, for those who are told."""


class PlaceOrder(Frozen):
    """An order to place."""

    lines: Annotated[tuple[PlaceLine, ...], Field(min_length=1)]
    discounts: tuple[PlaceDiscount, ...] = ()
    taxes_included: bool = False
    taxes: Taxes = ()
    tax_off: Amount = Decimal(0)
    """How much more the order's first tax is than its lines say, on no line of its own; in the shop's currency."""
    shipping: PlaceShipping | None = None
    tip: Annotated[Amount, Field(ge=0)] = Decimal(0)
    """For the shop's people, in the shop's currency; stands on a line of its own."""
    fees: tuple[PlaceFee, ...] = ()
    customer: PlaceCustomer | None = None
    email: str | None = None
    phone: str | None = None
    company: PlaceCompany | None = None
    shipping_address: PlaceAddress | None = PlaceAddress(province="New York", province_code="NY")
    billing_address: PlaceAddress | None = None
    """None: the same as the shipping address."""
    payments: tuple[PlacePayment, ...] = (PlacePayment(),)
    presentment_currency: Currency | None = None
    presentment_rate: Annotated[Amount, Field(gt=0)] = Decimal(1)
    """What one unit of the shop's currency costs in the buyer's."""
    test: bool = False
    note: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    """What the shop's own pages asked of the buyer, by name, such as the words for a gift's card."""
    po_number: str | None = None
    source_name: str = "web"
    risk: Literal["ACCEPT", "CANCEL", "INVESTIGATE", "NONE"] = "NONE"
    """What the storefront recommends."""
    handed_over: bool = False
    """Delivered at once, as at a till: fulfilled where each line is planned."""
    handed_over_at: int | None = None
    """The same, of what is planned at one location alone: the rest is to be sent."""
    risk_level: Literal["HIGH", "MEDIUM", "LOW", "PENDING"] | None = None
    """How the storefront's own assessment rates it; None: there is no assessment."""


class EditLine(Frozen):
    """A change of a line. ``line`` is its id, or its place from 1 on; what is None stays.

    ``quantity`` below zero counts as zero. ``price`` is the new price of one unit, in the shop's currency.
    ``discount`` comes on top of what the line has, off the price of all units that it ever had.
    """

    line: int = 1
    quantity: Annotated[int, Field(le=MOST_UNITS)] | None = None
    price: Annotated[Amount, Field(ge=0)] | None = None
    discount: PlaceDiscount | None = None


class EditOrder(Frozen):
    """Changes of a placed order, made together. Discounts given before keep their amounts."""

    lines: tuple[EditLine, ...] = ()
    add: tuple[PlaceLine, ...] = ()
    """New lines; no discount of the order reaches them."""
    taxes: Taxes | None = None
    """Of what is added; None: those of the order's first line."""
    shipping: PlaceShipping | None = None
    """In place of the delivery there is."""
    shipping_address: PlaceAddress | None = None
    note: str | None = None


class Reschedule(Frozen):
    """The shop's staff moves what is scheduled to another day, from now on; 0 opens it."""

    days: Annotated[float, Field(ge=0)]


class AssessRisk(Frozen):
    """The storefront comes to another assessment of an order's risk."""

    risk_level: Literal["HIGH", "MEDIUM", "LOW", "PENDING"]
    risk: Literal["ACCEPT", "CANCEL", "INVESTIGATE", "NONE"] = "NONE"


class CancelOrder(Frozen):
    """The buyer or the shop cancels."""

    reason: Literal["CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"] = "CUSTOMER"
    restock: bool = True
    refund: bool = True


class GiveBackLine(Frozen):
    """Units of a line. ``line`` is its id, or its place from 1 on; returned ones come into stock at ``location``."""

    line: int = 1
    quantity: Annotated[int, Field(gt=0)] = 1
    restock: Literal["CANCEL", "RETURN", "NO_RESTOCK"] = "RETURN"
    """CANCEL: taken off before they leave. RETURN: came back. NO_RESTOCK: do not come into stock again."""
    location: int | None = None
    """None: where the line was to ship from first."""


class GiveBack(Frozen):
    """A refund: units, delivery, money. Money goes back to the payments in proportion to what each has left.

    Amounts are in the buyer's currency.
    """

    amount: Annotated[Amount, Field(ge=0)] | None = None
    """None: what units and delivery are worth, as far as it was taken. Another amount is goodwill, or a fee kept."""
    lines: tuple[GiveBackLine, ...] = ()
    shipping: Annotated[Amount, Field(ge=0)] | Literal["all"] = Decimal(0)
    """Of the price of delivery, before tax unless taxes are included; its tax follows."""
    note: str = ""


class AskReturnLine(Frozen):
    """Units of a line. ``line`` is its id, or its place from 1 on; ``note`` is the buyer's."""

    line: int = 1
    quantity: Annotated[int, Field(gt=0)] = 1
    reason: Reason = "unwanted"
    note: str = ""


class AskExchangeLine(Frozen):
    """Units that the buyer gets for what comes back."""

    sku: str
    quantity: Annotated[int, Field(gt=0)] = 1


class AskReturn(Frozen):
    """The buyer asks to send units back; ``agreed`` where the shop's staff has said yes already.

    ``instead`` makes it an exchange, which the shop's staff alone can note, as at Shopify.
    """

    lines: Annotated[tuple[AskReturnLine, ...], Field(min_length=1)]
    agreed: bool = False
    instead: tuple[AskExchangeLine, ...] = ()

    @model_validator(mode="after")
    def _staff_exchanges(self) -> "AskReturn":
        if self.instead and not self.agreed:
            msg = "a return that is only asked for holds no exchange; set agreed = true"
            raise ValueError(msg)
        return self


Act = Literal["approve", "decline", "close", "withdraw"]


class ChangeReturn(Frozen):
    """What people do to a return: the shop's staff approves, declines or closes it, the buyer withdraws it."""

    act: Act
