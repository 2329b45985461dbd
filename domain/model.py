"""Base model and the checked value types that every domain model is made of.

Money is ``Decimal`` in major units (``Decimal("19.99")`` is nineteen dollars ninety-nine), never ``float``;
the currency stands beside it on the model. Quantities are whole, non-negative units. Times are aware UTC.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Frozen(BaseModel):
    """Immutable value object; unknown fields are an error, so that a typo never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _refuse_float(value: Any) -> Any:
    if isinstance(value, float):
        msg = "money must be a decimal string or Decimal, not a float; send it as text"
        raise ValueError(msg)  # noqa: TRY004  pydantic turns ValueError into a named validation error
    return value


def _aware_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        msg = "time has no time zone; send it with an offset such as 'Z'"
        raise ValueError(msg)
    return value.astimezone(UTC)


Amount = Annotated[Decimal, BeforeValidator(_refuse_float), Field(allow_inf_nan=False)]
"""Exact money in major units of the currency named beside it; may be negative."""

Rate = Annotated[Decimal, BeforeValidator(_refuse_float), Field(ge=0, le=1, allow_inf_nan=False)]
"""A tax rate as a fraction: ``Decimal("0.20")`` is 20 %."""

Quantity = Annotated[int, Field(ge=0, strict=True)]
"""Whole units, never negative."""

Instant = Annotated[datetime, AfterValidator(_aware_utc)]
"""An aware time, normalised to UTC."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 code."""
