"""What is charged beside goods and delivery: taxes, duties and fees as the store keeps them within an order."""

from pydantic import BaseModel, ConfigDict

from domain.model import Quantity, Rate
from sandbox.store.money import Both


class Charge(BaseModel):
    """Changed by the modules that act on orders alone; unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")


class TaxRecord(Charge):
    """A tax on a line, a duty, a fee or delivery."""

    title: str
    rate: Rate
    amount: Both


class DutyRecord(Charge):
    """What customs take for a line; price and taxes are for all units that it ever had."""

    id: int
    price: Both
    taxes: list[TaxRecord] = []
    hs_code: str | None = None
    country: str | None = None
    kept: Quantity = 0
    """Units that went back while their duty did not."""


class FeeRecord(Charge):
    """A fee on the order as a whole."""

    id: int
    name: str
    price: Both
    taxes: list[TaxRecord] = []


class RefundDutyRecord(Charge):
    """What was given back of a duty: of its price, and of its taxes together."""

    duty_id: int
    subtotal: Both
    tax: Both
