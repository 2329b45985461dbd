"""Stock as the two systems tell it: what the ERP has of a product at a warehouse, what a storefront shows of a SKU.

Units are whole sales units. An ERP that counts in fractions or in other units is rounded down by its adapter: part of a
unit cannot be sold.
"""

from collections.abc import Mapping as Dictionary
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from domain.model import Frozen, Instant, Quantity


class Incoming(Frozen):
    """Goods on order that come on a day."""

    expected: date
    quantity: Quantity


class ErpStock(Frozen):
    """What the ERP has of one product at one warehouse, all numbers of one moment."""

    product: str
    warehouse: str
    on_hand: int
    """Units on the shelf by its books; below zero where more was booked out than was there."""
    allocated: Quantity = 0
    """Units on the shelf or not that orders which it knows are still to be sent: reserved, picked, or on backorder."""
    reserved: Quantity = 0
    """Units that are kept back for something else: drafts, production, quality, a quarantine."""
    incoming: tuple[Incoming, ...] = ()
    """Goods on order, the earliest first."""

    @property
    def free(self) -> int:
        """Units that no order known to the ERP has a claim on."""
        return self.on_hand - self.allocated - self.reserved


class Kit(Frozen):
    """A product that has no stock of its own: it is sold as one and sent as its components."""

    product: str
    components: Annotated[Dictionary[str, int], Field(min_length=1)]
    """Product -> units of it in one kit, each at least one."""

    @model_validator(mode="after")
    def _whole(self) -> "Kit":
        if few := sorted(code for code, units in self.components.items() if units < 1):
            raise ValueError(
                f"kit {self.product}: {few[0]} has {self.components[few[0]]} units; give 1 or more"
            )
        return self


class ShownStock(Frozen):
    """What a storefront shows of one SKU at one of its locations."""

    sku: str
    item_id: str
    """The storefront's own id of what is counted (Shopify: the inventory item)."""
    location: str
    """The storefront's location id."""
    available: int
    """Units that buyers may buy; below zero where it sold more than it showed."""
    committed: Quantity
    """Units of orders that it has taken and that have not left."""
    tracked: bool = True
    """False: it sells the SKU without counting."""


class StockSetting(Frozen):
    """Show so many units, if it still shows as many as we think it does."""

    sku: str
    item_id: str
    location: str
    available: int
    change_from: int
    """What ``ShownStock.available`` was when the number was decided."""


class SettingState(StrEnum):
    """What became of a setting."""

    DONE = "done"
    STALE = "stale"
    """It shows another number by now: read again and decide again."""
    REFUSED = "refused"


class SettingOutcome(Frozen):
    """What became of one setting of several; each for itself, so that a bad one spoils no other."""

    setting: StockSetting
    state: SettingState
    cause: str = ""
    """Of a refusal, a stable key: ``stock_item_unknown``, ``not_stocked``, ``location_unknown``, ``not_tracked``,
    ``not_settable``, ``quantity_out_of_range``, or one with the storefront's own code.
    """
    reason: str = ""
    """Of a refusal, in plain words, with the remedy."""


class StockReading(Frozen):
    """Products as the ERP tells them, and when we began to ask: ``token`` and ``at`` are of that moment.

    ``token`` comes from ``store.stock``; an order that was entered before it was drawn is part of the reading.
    """

    token: int
    at: Instant
    levels: tuple[ErpStock, ...]
    kits: tuple[Kit, ...] = ()
    unknown: tuple[str, ...] = ()
    """Products that were asked for and that the ERP does not have."""
