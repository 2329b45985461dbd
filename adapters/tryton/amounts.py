"""Tryton's arithmetic of prices and taxes, foretold to the cent. Pure.

Tryton knows a unit price of four decimals, not a line total: a line's net is unit price x quantity, rounded half-even;
each tax is unit price x rate x quantity, rounded per line (``tax_rounding = line``), where the rounding of several
taxes on one line is evened out over them. Any total can be had by choosing prices and splitting lines.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import cycle
from typing import Final

from pydantic import Field

from domain.model import Amount, Frozen

PRICE_STEP: Final = Decimal("0.0001")
_NEARBY: Final = 100
"""How many units are tried to move between the two parts of a split before the plain way out is taken."""


class EndlessRounding(ArithmeticError):
    """All taxes of a line round to nothing, though not together: Tryton looks for ever for one to even that out."""


class LineTax(Frozen):
    """A tax as Tryton applies it to a line: a percentage, or a fixed amount for each unit."""

    id: int
    code: str
    rate: Amount | None = None
    amount: Amount | None = None
    sequence: int | None = None


class PricedPart(Frozen):
    """Units of a line at one unit price."""

    quantity: int = Field(gt=0)
    unit_price: Amount


def round_half_even(amount: Decimal, step: Decimal) -> Decimal:
    """To whole multiples of ``step`` (the currency's smallest unit), as Tryton rounds."""
    return (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * step


def round_half_up(amount: Decimal, step: Decimal) -> Decimal:
    """To whole multiples of ``step``, as storefronts round."""
    return (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_UP) * step


def net_of(quantity: Decimal | int, unit_price: Decimal, step: Decimal) -> Decimal:
    """What Tryton makes of a line without tax."""
    return round_half_even(unit_price * quantity, step)


def taxes_of(
    quantity: Decimal | int, unit_price: Decimal, taxes: Sequence[LineTax], step: Decimal
) -> dict[int, Decimal]:
    """What Tryton makes of a line's taxes, by tax id. Raises EndlessRounding."""
    exact: dict[int, Decimal] = {}
    # Tryton's order: taxes without sequence first, then by sequence and id. It decides which tax takes the remainder.
    for tax in sorted(taxes, key=lambda t: (t.sequence is not None, t.sequence or 0, t.id)):
        per_unit = tax.amount if tax.amount is not None else unit_price * (tax.rate or Decimal(0))
        exact[tax.id] = exact.get(tax.id, Decimal(0)) + per_unit * quantity
    rounded = {tax: round_half_even(amount, step) for tax, amount in exact.items()}
    remainder = round_half_even(sum(rounded.values(), Decimal(0)) - sum(exact.values(), Decimal(0)), step)
    if abs(remainder) < step:
        return rounded
    if not any(rounded.values()):
        raise EndlessRounding
    offset = step.copy_sign(remainder)
    for taking in cycle(list(rounded)):
        if rounded[taking]:
            rounded[taking] -= offset
            remainder -= offset
        if abs(remainder) < step:
            break
        if not any(rounded.values()):
            raise EndlessRounding
    return rounded


def split_for_net(quantity: int, net: Decimal, step: Decimal) -> tuple[PricedPart, ...]:
    """Parts of a line whose nets add up to exactly ``net`` in Tryton: one part where it can be, else two."""
    whole = (PricedPart(quantity=quantity, unit_price=_at_price_step(net / quantity, ROUND_HALF_EVEN)),)
    if _net(whole, step) == net:
        return whole
    return next(parts for parts in _splits(quantity, net, step) if _net(parts, step) == net)


def _splits(quantity: int, net: Decimal, step: Decimal) -> Iterator[tuple[PricedPart, ...]]:
    """Splits into two parts, nicest first: nearly the same price twice, at last one unit that takes the rest."""
    lower = _at_price_step(net / quantity, ROUND_FLOOR)
    dearer = int((net - lower * quantity) / PRICE_STEP)
    nearby = (dearer + way * distance for distance in range(_NEARBY) for way in (1, -1))
    for count in nearby:
        if 0 < count < quantity:
            yield (
                PricedPart(quantity=quantity - count, unit_price=lower),
                PricedPart(quantity=count, unit_price=lower + PRICE_STEP),
            )
    most = PricedPart(quantity=quantity - 1, unit_price=lower)
    yield (most, PricedPart(quantity=1, unit_price=net - net_of(most.quantity, lower, step)))


def _net(parts: Sequence[PricedPart], step: Decimal) -> Decimal:
    return sum((net_of(part.quantity, part.unit_price, step) for part in parts), Decimal(0))


def _at_price_step(price: Decimal, rounding: str) -> Decimal:
    return price.quantize(PRICE_STEP, rounding=rounding)
