"""What a part of an order's line is worth, to the cent: net, each tax, and what the buyer pays for it.

Parts come one after another (parcels, credit notes, refunds), in any sizes. Each is worth what all units so far are
worth, less what those before it were, so parts add up to the line whatever their order and sizes. What units so far are
worth is told by the largest remainder between them and the units left, the earlier ones first.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from domain.model import Amount, Frozen
from domain.money import is_whole, minor_digits, proportion, share
from domain.order import Order, OrderLine, ShippingCharge, TaxLine

_NOTHING = Decimal(0)


class PartAmount(Frozen):
    """What a part of a line or charge comes to after discounts, in ``Order.currency``."""

    net: Amount
    """Without tax."""
    taxes: tuple[TaxLine, ...] = ()
    """The line's own taxes in their order, each with this part's amount."""

    @property
    def tax(self) -> Decimal:
        """All taxes together."""
        return _sum(self.taxes)

    @property
    def gross(self) -> Decimal:
        """What the buyer pays: net and all taxes."""
        return self.net + self.tax


def whole_of(order: Order, part: OrderLine | ShippingCharge) -> PartAmount:
    """What a line's current units, or a charge, come to. Exact: nothing is rounded here."""
    price = part.current * part.unit_price if isinstance(part, OrderLine) else part.price
    price -= sum((discount.amount for discount in part.discounts), _NOTHING)
    net = price - _sum(part.taxes) if order.taxes_included else price
    return PartAmount(net=net, taxes=part.taxes)


def part_of_line(order: Order, line: OrderLine, units_before: int, units: int) -> PartAmount:
    """What the next ``units`` of a line are worth, where ``units_before`` of its current units were dealt with before.

    All parts of a line add up to ``whole_of`` it: net, and tax by tax. No part is below zero, and more units are never
    worth less. A unit costs its price less its share of the line's discounts; taxes are shared by units, as storefronts
    do. Of units that come back the last are taken first, as storefronts do too: ``units_before`` are those that stay.

    Raises ValueError unless the units are among the line's current ones.
    """
    if units_before < 0 or units < 0 or units_before + units > line.current:
        raise ValueError(
            f"line {line.line_id}: {units} units after {units_before} are no part of its {line.current} units"
        )
    return _difference(
        _first_units(order, line, units_before + units), _first_units(order, line, units_before)
    )


def _first_units(order: Order, line: OrderLine, units: int) -> PartAmount:
    """What so many units are worth in all, counted from the line's first."""
    whole, currency = whole_of(order, line), order.currency
    if units == line.current:
        return whole
    price = _price(line, units, currency)
    if order.taxes_included and not _room_for_taxes(line, currency):
        return _out_of_gross(whole, price, currency)
    amounts = [share(tax.amount, units, line.current, currency) for tax in whole.taxes]
    net = price - sum(amounts, _NOTHING) if order.taxes_included else price
    return PartAmount(net=net, taxes=_with(whole.taxes, amounts))


def _price(line: OrderLine, units: int, currency: str) -> Decimal:
    """After discounts, with tax where taxes are included. Discounts are shared together: so none exceeds its unit."""
    discounts = sum((discount.amount for discount in line.discounts), _NOTHING)
    if is_whole(line.unit_price, currency):
        return units * line.unit_price - share(discounts, units, line.current, currency)
    return share(line.current * line.unit_price - discounts, units, line.current, currency)


def _room_for_taxes(line: OrderLine, currency: str) -> bool:
    """Whether the price of each unit holds the taxes of each, however both are rounded.

    It does not where units are sold for less than a few cents: there a tax's cent may come with a unit that costs none.
    """
    cent = Fraction(1, 10 ** minor_digits(currency))
    discounts = sum((discount.amount for discount in line.discounts), _NOTHING)
    least = (line.current * Fraction(line.unit_price) - Fraction(discounts)) / line.current - cent
    return least >= sum(Fraction(tax.amount) / line.current + cent for tax in line.taxes)


def _out_of_gross(whole: PartAmount, gross: Decimal, currency: str) -> PartAmount:
    """The taxes that are in a part of what the buyer pays.

    Divided in two again and again (tax and net, first tax and the others) and not in one go: by largest remainder among
    three or more, a larger part can have less of one tax than a smaller one.
    """
    if not whole.gross:
        return PartAmount(net=gross, taxes=_with(whole.taxes, [_NOTHING] * len(whole.taxes)))
    left = tax = proportion(whole.tax, gross, whole.gross, currency)
    left_of = whole.tax
    amounts = []
    for each in whole.taxes:
        amount = proportion(each.amount, left, left_of, currency) if left_of else _NOTHING
        amounts.append(amount)
        left, left_of = left - amount, left_of - each.amount
    return PartAmount(net=gross - tax, taxes=_with(whole.taxes, amounts))


def _difference(after: PartAmount, before: PartAmount) -> PartAmount:
    amounts = [one.amount - other.amount for one, other in zip(after.taxes, before.taxes, strict=True)]
    return PartAmount(net=after.net - before.net, taxes=_with(after.taxes, amounts))


def _with(taxes: Iterable[TaxLine], amounts: Iterable[Decimal]) -> tuple[TaxLine, ...]:
    return tuple(
        tax.model_copy(update={"amount": amount}) for tax, amount in zip(taxes, amounts, strict=True)
    )


def _sum(taxes: Iterable[TaxLine]) -> Decimal:
    return sum((tax.amount for tax in taxes), _NOTHING)
