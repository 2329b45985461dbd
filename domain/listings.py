"""What lists of both systems tell of an order: enough to compare them, not enough to carry the order."""

from domain.erp_order import ErpOrderState
from domain.model import Amount, Frozen, Instant, Quantity
from domain.order import OrderKey


class PlacedOrder(Frozen):
    """An order as a list of the storefront tells it."""

    external_id: str
    number: str
    """What people call it, such as ``#1001``."""
    placed_at: Instant
    changed_at: Instant
    """When the storefront changed it last, in whatever way."""
    total: Amount
    """What the buyer owes now, all in, in the shop's currency."""
    test: bool = False
    canceled_at: Instant | None = None
    fulfilled: Quantity = 0
    """Units that the storefront shows as shipped."""


class OrderName(Frozen):
    """The two names under which an ERP may hold an order of one channel."""

    external_id: str
    """The idempotency key's part: what we enter it under."""
    number: str
    """What people enter it under: the storefront's own number."""


class ErpRecord(Frozen):
    """A record as a list of the ERP tells it. One storefront order should have one; a person may have made another."""

    erp_id: str
    number: str
    key: OrderKey | None
    """None: no key of ours is on it; somebody entered it without us."""
    reference: str = ""
    """The storefront's number of the order, as far as it is noted."""
    state: ErpOrderState
    shipped: Quantity = 0
    """Units that left the house, in units of the storefront's lines."""
    changed_at: Instant
    """When the record was written last, or a shipment of it."""
    unreadable: str = ""
    """Why the rest of the record cannot be trusted; it names the part."""

    @property
    def name(self) -> OrderName:
        """What it can be found under."""
        return OrderName(external_id=self.key.external_id if self.key else "", number=self.reference)
