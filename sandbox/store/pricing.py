"""What an order costs: discounts, taxes and totals, exact and pure, in one currency at a time.

A line's discounts come off first, then its share of the discounts on the order (largest remainder); tax is
on what is left, rounded half up per line and tax. With taxes included the tax is the part of the price that
it makes up.
"""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import model_validator

from domain.model import Amount, Frozen, Quantity, Rate
from sandbox.store.money import allocate, half_up


class DiscountTerms(Frozen):
    """Either an amount for the whole line or order, or a percentage of it."""

    amount: Amount | None = None
    percent: Amount | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "DiscountTerms":
        if (self.amount is None) == (self.percent is None):
            msg = "a discount takes either amount or percent"
            raise ValueError(msg)
        value = self.amount if self.amount is not None else self.percent
        assert value is not None
        if value < 0 or (self.percent is not None and value > 100):  # noqa: PLR2004  per cent
            msg = f"a discount of {value} is out of range"
            raise ValueError(msg)
        return self

    def of(self, base: Decimal, unit: Decimal) -> Decimal:
        """What it takes off ``base``, never more than all of it."""
        if self.amount is not None:
            return min(half_up(self.amount, unit), base)
        assert self.percent is not None
        return half_up(base * self.percent / 100, unit)


class Charge(Frozen):
    """Something to price: a line of goods, or delivery with quantity 1."""

    quantity: Quantity
    unit_price: Amount
    discounts: tuple[DiscountTerms, ...] = ()
    tax_rates: tuple[Rate, ...] = ()


class Priced(Frozen):
    """A charge and what it comes to. Discounts and taxes stand in the order in which they were asked for."""

    gross: Amount
    """Unit price by quantity, before discounts."""
    discounts: tuple[Amount, ...]
    """Its own discounts first, then its share of each discount on the order."""
    taxes: tuple[Amount, ...]

    @property
    def discounted(self) -> Decimal:
        """After all discounts; tax is in it where taxes are included."""
        return self.gross - sum(self.discounts, Decimal(0))


class PricedOrder(Frozen):
    """All lines and the delivery, priced."""

    lines: tuple[Priced, ...]
    shipping: tuple[Priced, ...]
    taxes_included: bool

    @property
    def subtotal(self) -> Decimal:
        """Lines after discounts."""
        return sum((line.discounted for line in self.lines), Decimal(0))

    @property
    def total_tax(self) -> Decimal:
        """All taxes, delivery's too."""
        return sum((tax for part in (*self.lines, *self.shipping) for tax in part.taxes), Decimal(0))

    @property
    def total(self) -> Decimal:
        """What the buyer pays."""
        net = self.subtotal + sum((charge.discounted for charge in self.shipping), Decimal(0))
        return net if self.taxes_included else net + self.total_tax


def taxes_on(
    base: Decimal, rates: Sequence[Decimal], unit: Decimal, *, included: bool
) -> tuple[Decimal, ...]:
    """Each tax on ``base``, rounded by itself."""
    parts = 1 + sum(rates, Decimal(0)) if included else Decimal(1)
    return tuple(half_up(base * rate / parts, unit) for rate in rates)


def price_order(
    lines: Sequence[Charge],
    shipping: Sequence[Charge],
    order_discounts: Sequence[DiscountTerms],
    unit: Decimal,
    *,
    taxes_included: bool,
) -> PricedOrder:
    """Price an order in the currency whose minor unit is ``unit``. Discounts on the order concern its lines
    only.
    """
    gross = [line.unit_price * line.quantity for line in lines]
    taken = [_own_discounts(line, unit) for line in lines]
    left = [whole - sum(parts, Decimal(0)) for whole, parts in zip(gross, taken, strict=True)]
    for terms in order_discounts:
        shares = allocate(terms.of(sum(left, Decimal(0)), unit), left, unit)
        taken = [[*parts, part] for parts, part in zip(taken, shares, strict=True)]
        left = [whole - part for whole, part in zip(left, shares, strict=True)]
    return PricedOrder(
        lines=tuple(
            _priced(line, parts, unit, included=taxes_included)
            for line, parts in zip(lines, taken, strict=True)
        ),
        shipping=tuple(_priced(c, _own_discounts(c, unit), unit, included=taxes_included) for c in shipping),
        taxes_included=taxes_included,
    )


def _own_discounts(charge: Charge, unit: Decimal) -> list[Decimal]:
    left = charge.unit_price * charge.quantity
    parts: list[Decimal] = []
    for terms in charge.discounts:
        parts.append(terms.of(left, unit))
        left -= parts[-1]
    return parts


def _priced(charge: Charge, discounts: Sequence[Decimal], unit: Decimal, *, included: bool) -> Priced:
    gross = charge.unit_price * charge.quantity
    base = gross - sum(discounts, Decimal(0))
    return Priced(
        gross=gross,
        discounts=tuple(discounts),
        taxes=taxes_on(base, charge.tax_rates, unit, included=included),
    )
