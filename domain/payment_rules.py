"""When money is taken and what may leave unpaid: the table ``[payments]`` of a mapping file."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.model import Frozen


class CaptureRule(StrEnum):
    """When the money that a buyer authorized is taken."""

    AT_ORDER = "at_order"
    """All of it, as soon as the ERP has accepted the order."""
    AT_FIRST_SHIPMENT = "at_first_shipment"
    """All of it with the first parcel."""
    EACH_SHIPMENT = "each_shipment"
    """With each parcel what was delivered is worth."""


class ExpiryRule(StrEnum):
    """What is done about an authorization that is about to expire before its goods leave."""

    CAPTURE = "capture"
    """Its money is taken."""
    CASE = "case"
    """A person decides."""


class GatewayRules(Frozen):
    """What another than the channel's own rule says for one payment gateway; None leaves that rule."""

    capture: CaptureRule | None = None
    ship_unpaid: bool | None = None


class PaymentRules(Frozen):
    """The rules of a channel."""

    capture: CaptureRule = CaptureRule.EACH_SHIPMENT
    ship_unpaid: bool = False
    """Whether an order goes to the ERP before its money is promised or paid."""
    on_expiry: ExpiryRule = ExpiryRule.CASE
    expiry_notice_hours: Annotated[int, Field(ge=1)] = 24
    """How long before an authorization expires something is done about it."""
    gateways: dict[str, GatewayRules] = Field(default_factory=dict)

    def capture_of(self, gateway: str) -> CaptureRule:
        """When money authorized by this gateway is taken."""
        own = self.gateways.get(gateway)
        return own.capture if own and own.capture else self.capture

    def ships_unpaid(self, gateway: str) -> bool:
        """Whether an order may leave while a payment by this gateway is still awaited."""
        own = self.gateways.get(gateway)
        return self.ship_unpaid if own is None or own.ship_unpaid is None else own.ship_unpaid


ALL_AT_ONCE = PaymentRules(capture=CaptureRule.AT_ORDER)
"""Everything that is promised, now."""
