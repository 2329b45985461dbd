"""What a channel shows of stock: the table ``[stock]`` of a mapping file."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from domain.model import Frozen, Quantity


class StockRules(Frozen):
    """The rules of a channel. All units are sales units of the storefront."""

    push: bool = False
    """Whether stock is told to this storefront at all."""
    safety: Quantity = 0
    """So many units of each SKU and location are never shown."""
    safety_by_sku: dict[str, Quantity] = Field(default_factory=dict)
    """SKUs that are kept back otherwise."""
    share: Annotated[Decimal, Field(gt=0, le=1)] = Decimal(1)
    """The part of what can be sold that this channel shows. The shares of an ERP's channels sum to 1 at most."""
    pooled: bool = False
    """Show everything on every channel: more is sold, and two channels may sell the last unit both."""
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    """Who sells the last units: the channel with the greatest number."""
    last_units: Quantity = 0
    """Where no more than so many can be sold, only the channels of the greatest priority show them."""
    backorder: dict[str, Quantity] = Field(default_factory=dict)
    """SKUs that are sold before they are there, and how many units of them at each location."""
    incoming_days: Annotated[int, Field(ge=0, le=365)] = 0
    """Goods on order that come within so many days can be sold already; 0: none."""
    scarce_below: Quantity = 10
    """A SKU with fewer units than that at a location is told at once."""
    fast_per_hour: Annotated[int, Field(ge=1)] = 20
    """So is one of which so many units were sold within the last hour."""
    batch_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """All others are gathered for so long."""

    @model_validator(mode="after")
    def _fits(self) -> "StockRules":
        if self.pooled and self.share != 1:
            msg = (
                f"[stock] is pooled and has a share of {self.share}; a pool has no shares, remove one of both"
            )
            raise ValueError(msg)
        return self

    def safety_of(self, sku: str) -> int:
        """Units of a SKU that are kept back at each location."""
        return self.safety_by_sku.get(sku, self.safety)
