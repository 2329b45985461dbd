"""How Shopify writes ids, times and amounts."""

from datetime import datetime
from decimal import Decimal

from sandbox.store.money import minor_unit


def gid(kind: str, number: int | str) -> str:
    """Shopify's global id."""
    return f"gid://shopify/{kind}/{number}"


def moment(value: datetime | None) -> str | None:
    """A time as Shopify writes it, whole seconds in UTC."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def text(amount: Decimal, currency: str) -> str:
    """An amount with all digits of its currency."""
    return str(amount.quantize(minor_unit(currency)))


def number(global_id: str, kind: str) -> int | None:
    """The number in a global id of a kind; None where it is no such id."""
    prefix = gid(kind, "")
    tail = global_id.removeprefix(prefix)
    return int(tail) if global_id.startswith(prefix) and tail.isdecimal() else None


def plain(amount: Decimal) -> str:
    """A Decimal as Shopify writes it: without needless zeros, but with one digit after the point."""
    shortest = amount.normalize()
    exponent = shortest.as_tuple().exponent
    assert isinstance(exponent, int)
    return format(amount.quantize(Decimal("0.1")) if exponent > -1 else shortest, "f")
