"""Money that moved: transactions and refunds of an order in the sandbox's store."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from domain.model import Instant, Quantity
from sandbox.store.charge_records import RefundDutyRecord, TaxRecord
from sandbox.store.money import Both
from sandbox.store.record import Record


class TransactionKind(StrEnum):
    """What a payment did."""

    AUTHORIZATION = "AUTHORIZATION"
    CAPTURE = "CAPTURE"
    SALE = "SALE"
    REFUND = "REFUND"
    VOID = "VOID"


class TransactionRecord(Record):
    """A payment."""

    id: int
    kind: TransactionKind
    status: Literal["SUCCESS", "PENDING", "FAILURE"] = "SUCCESS"
    gateway: str
    amount: Both
    parent_id: int | None = None
    created_at: Instant
    expires_at: Instant | None = None
    """Until when an authorization can be captured."""


class Restock(StrEnum):
    """What becomes of refunded units."""

    CANCEL = "CANCEL"
    """They never left: they are taken off the order and back into stock."""
    RETURN = "RETURN"
    """They came back, and into stock."""
    NO_RESTOCK = "NO_RESTOCK"
    """They left and do not come into stock again."""


class RefundLineRecord(Record):
    """Units given back or removed, and what they were worth."""

    id: int
    line_id: int
    quantity: Quantity
    subtotal: Both
    tax: Both
    restock: Restock
    location_id: int | None = None


class RefundShippingRecord(Record):
    """What was given back of a charge for delivery; ``taxes`` stand in the order of the charge's."""

    id: int
    charge_id: int
    subtotal: Both
    taxes: list[TaxRecord] = Field(default_factory=list)

    @property
    def tax(self) -> Both:
        """All taxes."""
        return Both.total(tax.amount for tax in self.taxes)


class RefundRecord(Record):
    """A refund: units, delivery, money or all of them."""

    id: int
    note: str = ""
    created_at: Instant
    lines: list[RefundLineRecord] = Field(default_factory=list)
    shipping: list[RefundShippingRecord] = Field(default_factory=list)
    duties: list[RefundDutyRecord] = Field(default_factory=list)
    transaction_ids: list[int] = Field(default_factory=list)
    return_id: int | None = None

    def worth(self, *, taxes_included: bool) -> Both:
        """What units, their duties and delivery cost the buyer, tax included."""
        parts: list[RefundLineRecord | RefundShippingRecord | RefundDutyRecord]
        parts = [*self.lines, *self.shipping, *self.duties]
        net = Both.total(part.subtotal for part in parts)
        return net if taxes_included else net + Both.total(part.tax for part in parts)
