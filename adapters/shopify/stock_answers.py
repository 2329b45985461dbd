"""The shape of Shopify's answers about stock, and what they say to the port."""

from adapters.shopify.answer import Answer, Page, UserError
from adapters.shopify.global_ids import GidTail
from domain.stock import ShownStock


class StockLocation(Answer):
    """Where something is stocked."""

    id: GidTail
    is_active: bool


class StockQuantity(Answer):
    """Units in one state."""

    name: str
    quantity: int


class StockLevel(Answer):
    """Stock of an item at a location, all its quantities of one moment."""

    location: StockLocation
    quantities: tuple[StockQuantity, ...]

    def units(self, name: str) -> int:
        """Units in a state; one that the shop does not tell has none."""
        return next((each.quantity for each in self.quantities if each.name == name), 0)


class StockedItem(Answer):
    """An inventory item with the first page of its levels or, after ``stock.py`` is done with it, all of them."""

    id: GidTail
    sku: str | None = None
    tracked: bool
    inventory_levels: Page[StockLevel]


class LevelsOfItem(Answer):
    """More levels of an item."""

    inventory_levels: Page[StockLevel]


class TrackedItem(Answer):
    """Whether an item is counted."""

    id: GidTail
    tracked: bool


class StockChange(Answer):
    """A quantity that was set; the item is gone once somebody deleted it."""

    item: TrackedItem | None = None


class StockAdjustment(Answer):
    """What was set together."""

    changes: tuple[StockChange, ...] = ()


class StockSet(Answer):
    """What became of a call that sets quantities: all of them are set, or none and here is why."""

    inventory_adjustment_group: StockAdjustment | None = None
    user_errors: tuple[UserError, ...]

    @property
    def codes(self) -> frozenset[str]:
        """Codes of the refusals."""
        return frozenset(error.code for error in self.user_errors if error.code)


def to_shown(item: StockedItem) -> tuple[ShownStock, ...]:
    """What is shown of an item at every location that is open."""
    return tuple(
        ShownStock(
            sku=item.sku or "",
            item_id=item.id,
            location=level.location.id,
            available=level.units("available"),
            committed=max(0, level.units("committed")),
            tracked=item.tracked,
        )
        for level in item.inventory_levels.nodes
        if level.location.is_active
    )
