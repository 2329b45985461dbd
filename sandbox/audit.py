"""Reads both systems back without the application and says, order by order, whether they agree.

The store is asked through its own control API, the ERP as its staff would, the cost through Temporal's history: no
adapter, no translation and no store of ours is involved.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from sandbox import catalog
from sandbox.billable import Cost

_CODES = {(title, Decimal(rate)): code for code, (title, rate) in catalog.TAXES.items()}


class StoreSide(BaseModel):
    """What the store's own books say of an order, in the shop's currency."""

    model_config = ConfigDict(frozen=True)

    external_id: str
    number: str
    total: Decimal
    taxes: dict[str, Decimal]
    """By the ERP's tax code; only amounts other than zero."""
    captured: Decimal
    """Sales and captures less refunds."""
    presentment_total: Decimal
    presentment_captured: Decimal
    units: int
    """Units due, after edits; what came back is not."""
    fulfilled: int
    """Units that left."""
    returned: int = 0
    """Of them, units that came back or were given up, and were refunded."""
    fulfillments: int
    currency: str
    canceled: bool = False
    canceled_as: str = ""
    """Why, in the store's one word; empty where nobody said."""


class ErpSide(BaseModel):
    """What the ERP's own books say of an order."""

    model_config = ConfigDict(frozen=True)

    count: int
    """Orders with this store number: one, and never two."""
    number: str
    total: Decimal
    taxes: dict[str, Decimal]
    shipments: int
    """Shipments that left."""
    invoices: int
    invoiced: Decimal | None
    """None where this ERP keeps no invoices."""
    currency: str
    canceled: bool = False
    given_back: Decimal = Decimal(0)
    """What came back is worth, tax included; the fee is not taken off."""
    taxes_given_back: dict[str, Decimal] = Field(default_factory=dict)
    fees: Decimal = Decimal(0)
    """Held back of credit notes."""
    adjusted: Decimal = Decimal(0)
    """What its line for a difference comes to, which stands apart from goods and taxes."""


class Audited(BaseModel):
    """One row of the demo's table."""

    model_config = ConfigDict(frozen=True)

    name: str
    store: StoreSide
    erp: ErpSide | None
    cost: Cost | None
    differences: tuple[str, ...]

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to put a property into the JSON
    @property
    def balanced(self) -> bool:
        """Both sides tell the same story."""
        return not self.differences

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def duplicates(self) -> int:
        """Orders and fulfillments too many."""
        if self.erp is None:
            return 0
        return max(0, self.erp.count - 1) + max(0, self.store.fulfillments - self.erp.shipments)


def compare(name: str, store: StoreSide, erp: ErpSide | None, cost: Cost | None) -> Audited:
    """Put both sides beside each other; every difference gets a sentence."""
    return Audited(name=name, store=store, erp=erp, cost=cost, differences=tuple(_differences(store, erp)))


def _differences(store: StoreSide, erp: ErpSide | None) -> list[str]:
    if store.canceled:
        return _left_of_canceled(store, erp)
    if erp is None:
        return ["not in the ERP"]
    if erp.canceled:
        return ["canceled in the ERP alone"]
    found = []

    def same(what: str, at_store: object, at_erp: object) -> None:
        if at_store != at_erp:
            found.append(f"{what}: store {at_store}, ERP {at_erp}")

    same("orders", 1, erp.count)
    same("currency", store.currency, erp.currency)
    same("total", store.total, erp.total - erp.given_back)
    found += _taxes(store, erp)
    if erp.invoiced is not None:
        same("invoiced less credited", store.total + erp.fees, erp.invoiced)
    same("parcels", store.fulfillments, erp.shipments)
    if store.fulfilled - store.returned != store.units:
        came_back = f" and returned: {store.returned}" if store.returned else ""
        found.append(f"fulfilled: {store.fulfilled}{came_back} of {store.units} units")
    # A fee is booked in the shop's currency: the store tells it apart only where the buyer pays in that.
    due = store.presentment_total + (erp.fees if store.presentment_total == store.total else Decimal(0))
    if store.presentment_captured != due:
        found.append(f"captured: {store.presentment_captured} of {due}")
    return found


def _taxes(store: StoreSide, erp: ErpSide) -> list[str]:
    """Tax by tax. A difference in one of them may be booked by itself; then it is exactly what that line comes to."""
    off = []
    for code in sorted(store.taxes.keys() | erp.taxes.keys()):
        at_store, at_erp = (side.taxes.get(code, Decimal(0)) for side in (store, erp))
        at_erp -= erp.taxes_given_back.get(code, Decimal(0))
        if at_store != at_erp:
            off.append((at_store - at_erp, f"tax {code}: store {at_store}, ERP {at_erp}"))
    booked = erp.adjusted and [amount for amount, _ in off] == [erp.adjusted]
    return [] if booked else [words for _, words in off]


def _left_of_canceled(store: StoreSide, erp: ErpSide | None) -> list[str]:
    """A canceled order has left nothing behind: no parcel, no money, and no order that is alive in the ERP."""
    found = []
    if erp is not None and not erp.canceled:
        found.append("canceled in the store alone")
    if erp is not None and erp.count != 1:
        found.append(f"orders: store 1, ERP {erp.count}")
    parcels = max(store.fulfillments, erp.shipments if erp else 0)
    if parcels:
        found.append(f"canceled, and {parcels} parcels left all the same")
    if store.captured or store.presentment_captured:
        found.append(f"canceled, and {store.presentment_captured} are kept all the same")
    if erp is not None and erp.invoiced:
        found.append(f"canceled, and {erp.invoiced} are invoiced all the same")
    return found


def added(taxes: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Amounts by tax code, of all of them."""
    amounts: dict[str, Decimal] = {}
    for each in taxes:
        for code, amount in each.items():
            amounts[code] = amounts.get(code, Decimal(0)) + amount
    return amounts


def tax_codes(by_title_and_rate: dict[str, Decimal]) -> dict[str, Decimal]:
    """The store's taxes (``VAT 0.20``) by the ERP's codes. Raises KeyError for one that the catalogue lacks."""
    codes: dict[str, Decimal] = {}
    for name, amount in by_title_and_rate.items():
        title, _, rate = name.rpartition(" ")
        code = _CODES[title, Decimal(rate)]
        if amount:
            codes[code] = codes.get(code, Decimal(0)) + amount
    return codes
