"""What happens where there is not enough stock: the table ``[backorders]`` of a mapping file."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from domain.model import Frozen


class OnShortage(StrEnum):
    """What leaves of an order while some of its units are not in stock."""

    SHIP_WHAT_IS_THERE = "ship_what_is_there"
    """What is in stock, at once; the rest as it comes."""
    WAIT_FOR_ALL = "wait_for_all"
    """Nothing, before every unit is allocated."""
    ASK = "ask"
    """Nothing, where the ERP can hold it back, until a person has said."""


class BackorderRules(Frozen):
    """The rules of a channel."""

    on_shortage: OnShortage = OnShortage.SHIP_WHAT_IS_THERE
    cancel_rest_after_days: Annotated[int, Field(ge=1)] | None = None
    """Days after which what is still not in stock is canceled in both systems; None waits for as long as it takes."""

    @model_validator(mode="after")
    def _nobody_is_overruled(self) -> "BackorderRules":
        if self.on_shortage is OnShortage.ASK and self.cancel_rest_after_days is not None:
            msg = 'on_shortage = "ask" lets a person decide, cancel_rest_after_days would decide for him; remove one'
            raise ValueError(msg)
        return self

    @property
    def needs_telling(self) -> bool:
        """Whether they mean anything only where the ERP tells of shortages."""
        return self != BackorderRules()

    @property
    def holds_back(self) -> bool:
        """Whether an order is to leave complete as long as nobody says otherwise."""
        return self.on_shortage is not OnShortage.SHIP_WHAT_IS_THERE
