"""How goods are taken back: the table ``[returns]`` of a mapping file."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from domain.model import Amount, Frozen


class ApprovalRule(StrEnum):
    """What happens to a return that a buyer asks for."""

    AUTOMATIC = "automatic"
    """It is agreed to."""
    ASK = "ask"
    """A person decides."""


class InspectionRule(StrEnum):
    """Who says what becomes of goods that came back."""

    RESTOCK = "restock"
    """Everything goes back on the shelf and is credited."""
    ASK = "ask"
    """A person says it of each unit."""


class ExchangeRule(StrEnum):
    """When a buyer gets what they want instead of what comes back."""

    AFTER_RECEIPT = "after_receipt"
    """Once the goods are back and taken; where they are not, the exchange is canceled."""
    AT_ONCE = "at_once"
    """As soon as the return is agreed to; what never comes back is the buyer's to pay."""


class ReturnRules(Frozen):
    """The rules of a channel."""

    window_days: Annotated[int, Field(ge=0, le=3650)] = 0
    """So long after its last parcel an order stays open for returns; 0 closes it at once."""
    approval: ApprovalRule = ApprovalRule.AUTOMATIC
    inspection: InspectionRule = InspectionRule.RESTOCK
    warehouse: str | None = None
    """ERP warehouse that takes goods in; None: the one that they left from."""
    reminder_days: Annotated[int, Field(ge=1)] = 14
    """After so long without goods the story says so, once each time."""
    expire_days: Annotated[int, Field(ge=1)] = 45
    """After so long what has not come is expected no more."""
    refund_shipping: bool = False
    """Whether delivery is given back with the last units of an order."""
    exchange_ships: ExchangeRule = ExchangeRule.AFTER_RECEIPT
    exchange_waives: Annotated[Amount, Field(ge=0)] = Decimal(0)
    """So much, in the buyer's currency, is not asked of a buyer who would owe it for an exchange: like for like may
    differ by the cents that taxes are rounded by."""
    exchange_inspection: InspectionRule | None = None
    """Another rule for what comes back of an exchange; None: there is none."""
    fee_percent: Annotated[Decimal, Field(ge=0, le=100)] = Decimal(0)
    """Restocking fee, of what the goods are worth with tax."""
    fee_product: str | None = None
    """ERP product, a service without tax, that the fee is booked on."""

    @model_validator(mode="after")
    def _fits(self) -> "ReturnRules":
        if self.fee_percent and self.fee_product is None:
            msg = (
                "[returns] has a fee_percent and no fee_product; name the ERP's service that it is booked on"
            )
            raise ValueError(msg)
        if self.expire_days < self.reminder_days:
            msg = (
                f"[returns] expire_days ({self.expire_days}) is below reminder_days ({self.reminder_days}); "
                "a reminder would come after the end"
            )
            raise ValueError(msg)
        return self

    def inspection_of(self, *, exchange: bool) -> InspectionRule:
        """Who says what becomes of what came back."""
        return (self.exchange_inspection if exchange else None) or self.inspection

    @property
    def reminder(self) -> timedelta:
        """How long between two reminders."""
        return timedelta(days=self.reminder_days)

    @property
    def expiry(self) -> timedelta:
        """How long goods are waited for."""
        return timedelta(days=self.expire_days)
