"""What is charged beside goods and delivery: taxes, duties and fees as the store keeps them within an order."""

from pydantic import Field

from domain.model import Quantity, Rate
from sandbox.store.money import Both
from sandbox.store.record import Record


class TaxRecord(Record):
    """A tax on a line, a duty, a fee or delivery."""

    title: str
    rate: Rate
    amount: Both


class DutyRecord(Record):
    """What customs take for a line; price and taxes are for all units that it ever had."""

    id: int
    price: Both
    taxes: list[TaxRecord] = Field(default_factory=list)
    hs_code: str | None = None
    country: str | None = None
    kept: Quantity = 0
    """Units that went back while their duty did not."""


class FeeRecord(Record):
    """A fee on the order as a whole."""

    id: int
    name: str
    price: Both
    taxes: list[TaxRecord] = Field(default_factory=list)


class RefundDutyRecord(Record):
    """What was given back of a duty: of its price, and of its taxes together."""

    duty_id: int
    subtotal: Both
    tax: Both
