"""How an order's money is divided, to the cent: over lines, over the units of a line, over warehouses and parcels.

What is divided at once goes by largest remainder (``domain.money.split``). Parts that come one after another (parcels,
credit notes, refunds) are each worth what all units so far are worth, less what those before them were; that is the
largest remainder between the units so far and those left. So parts add up to the line whatever their order and sizes.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise

from domain.erp_order import SalesLine, TaxAmount
from domain.model import Amount, Frozen, Rate
from domain.money import is_whole, minor_digits, proportion, round_money, share, split
from domain.order import ExtraCharge, Order, OrderLine, ShippingCharge, TaxLine

Charged = OrderLine | ShippingCharge | ExtraCharge
"""What has a price and taxes of its own."""

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


def charged_in(order: Order) -> list[Charged]:
    """All that makes up the order's total: lines that have units, their duties, delivery and fees."""
    return [*(line for line in order.lines if line.current), *order.duties, *order.shipping, *order.fees]


def whole_of(order: Order, part: Charged) -> PartAmount:
    """What a line's current units, without their duties, or a charge come to. Exact: nothing is rounded here."""
    price = _price_of(part)
    net = price - _sum(part.taxes) if order.taxes_included else price
    return PartAmount(net=net, taxes=part.taxes)


def settle_taxes(order: Order) -> Order:
    """The order with taxes on its lines that add up to its total tax, where the storefront rounded them otherwise.

    A storefront may round each tax once for the order (or all of them together), and tell lines of fractions of a cent;
    or it tells rounded lines, which come to another sum than each tax rounded once. Where the rates explain the total
    tax, it is divided over rates and lines by largest remainder: no line's tax moves by more than a cent. Whatever
    rounding does not explain is left as it is told.
    """
    charged = charged_in(order)
    told = [(number, tax) for number, part in enumerate(charged) for tax in part.taxes]
    fine = any(not is_whole(tax.amount, order.currency) for _, tax in told)
    if not fine and sum((tax.amount for _, tax in told), _NOTHING) == order.total_tax:
        return order
    # Fractions of a cent as they are told may have been cut off somewhere: then the rates say what they were.
    by_rate = [_by_rate(order, charged[number], tax) for number, tax in told]
    ways = [[Fraction(tax.amount) for _, tax in told], by_rate] if fine else [by_rate]
    taxes = [tax for _, tax in told]
    amounts = next(filter(None, (_rounded_once(order, taxes, exact, together=fine) for exact in ways)), None)
    prices = sum((_price_of(part) for part in charged), _NOTHING)
    if amounts is None or order.total != prices + (0 if order.taxes_included else order.total_tax):
        return order
    settled: dict[int, list[TaxLine]] = {}
    for (number, tax), amount in zip(told, amounts, strict=True):
        settled.setdefault(number, []).append(tax.model_copy(update={"amount": amount}))
    parts = [
        part.model_copy(update={"taxes": tuple(settled.get(number, ()))})
        for number, part in enumerate(charged)
    ]
    return _with_charged(order, parts)


def _with_charged(order: Order, parts: Iterable[Charged]) -> Order:
    """The order with these in place of those of the same ids."""
    lines: dict[str, OrderLine] = {}
    shipping: list[ShippingCharge] = []
    extra: dict[str, ExtraCharge] = {}
    for part in parts:
        match part:
            case OrderLine():
                lines[part.line_id] = part
            case ShippingCharge():
                shipping.append(part)
            case ExtraCharge():
                extra[part.charge_id] = part
    return order.model_copy(
        update={
            "lines": tuple(_with_duties(lines.get(line.line_id, line), extra) for line in order.lines),
            "shipping": tuple(shipping),
            "fees": tuple(extra[fee.charge_id] for fee in order.fees),
        }
    )


def _with_duties(line: OrderLine, extra: Mapping[str, ExtraCharge]) -> OrderLine:
    if not line.duties:
        return line
    return line.model_copy(update={"duties": tuple(extra[duty.charge_id] for duty in line.duties)})


class OddRate(Frozen):
    """A tax whose amounts on the lines are not what its rate gives, rounded by line or by order."""

    title: str
    rate: Rate
    told: Amount
    by_rate: Amount
    """Rounded by line."""


def odd_rates(order: Order) -> tuple[OddRate, ...]:
    """Which taxes of the order are not what their rates give."""
    charged = charged_in(order)
    taxes: dict[tuple[str, Decimal], list[tuple[Decimal, Fraction]]] = {}
    for part in charged:
        for tax in part.taxes:
            taxes.setdefault((tax.title, tax.rate), []).append((tax.amount, _by_rate(order, part, tax)))
    odd = []
    for (title, rate), amounts in taxes.items():
        told = sum((amount for amount, _ in amounts), _NOTHING)
        by_line = sum((round_money(exact, order.currency) for _, exact in amounts), _NOTHING)
        once = round_money(sum((exact for _, exact in amounts), Fraction(0)), order.currency)
        if told not in {by_line, once}:
            odd.append(OddRate(title=title, rate=rate, told=told, by_rate=by_line))
    return tuple(odd)


def _price_of(part: Charged) -> Decimal:
    """After discounts; with tax where taxes are included."""
    price = part.current * part.unit_price if isinstance(part, OrderLine) else part.price
    return price - sum((discount.amount for discount in part.discounts), _NOTHING)


def _by_rate(order: Order, part: Charged, tax: TaxLine) -> Fraction:
    """A tax before any rounding."""
    rates = sum((Fraction(each.rate) for each in part.taxes), Fraction(0)) if order.taxes_included else 0
    return Fraction(_price_of(part)) * Fraction(tax.rate) / (1 + rates)


def _rounded_once(
    order: Order, told: Sequence[TaxLine], exact: Sequence[Fraction], *, together: bool
) -> tuple[Decimal, ...] | None:
    """What each tax comes to where it is rounded for the order; None where that does not give the total tax.

    ``together``: all taxes may have been rounded as one sum.
    """
    cent = Fraction(1, 10 ** minor_digits(order.currency))
    if any(abs(Fraction(tax.amount) - amount) >= cent for tax, amount in zip(told, exact, strict=True)):
        return None
    if any(amount < 0 for amount in exact):
        return None
    places: dict[tuple[str, Decimal], list[int]] = {}
    for index, tax in enumerate(told):
        places.setdefault((tax.title, tax.rate), []).append(index)
    sums = [sum((exact[index] for index in at), Fraction(0)) for at in places.values()]
    totals = tuple(round_money(amount, order.currency) for amount in sums)
    if sum(totals, _NOTHING) != order.total_tax:
        if not together or abs(sum(sums, Fraction(0)) - Fraction(order.total_tax)) * 2 > cent:
            return None
        totals = split(order.total_tax, sums, order.currency)
    amounts = [_NOTHING] * len(told)
    for at, total in zip(places.values(), totals, strict=True):
        for index, amount in zip(at, split(total, [exact[i] for i in at], order.currency), strict=True):
            amounts[index] = amount
    return tuple(amounts)


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


def duties_of_units(line: OrderLine, units: int, currency: str) -> tuple[ExtraCharge, ...]:
    """The duties on so many of a line's current units, in proportion. Raises ValueError for more than it has."""
    if not 0 <= units <= line.current:
        raise ValueError(f"line {line.line_id}: {units} units are no part of its {line.current} units")
    if units == line.current:
        return line.duties
    return tuple(
        duty.model_copy(
            update={
                "price": share(duty.price, units, line.current, currency),
                "taxes": _with(
                    duty.taxes, [share(tax.amount, units, line.current, currency) for tax in duty.taxes]
                ),
            }
        )
        for duty in line.duties
    )


def divide_line(order: Order, line: OrderLine, sizes: Sequence[int]) -> tuple[PartAmount, ...]:
    """What consecutive parts of a line are worth. Raises ValueError where they are more units than the line has."""
    starts = accumulate(sizes, initial=0)
    return tuple(part_of_line(order, line, start, size) for start, size in zip(starts, sizes, strict=False))


def lowered(order: Order, line: OrderLine, units: int) -> OrderLine:
    """The line with so many of its current units: it is worth what its first ones are. Raises ValueError.

    Prices that are whole minor units stay as they are.
    """
    part = part_of_line(order, line, 0, units)
    duties = duties_of_units(line, units, order.currency)
    if not units:
        return line.model_copy(update={"current": 0, "discounts": (), "taxes": (), "duties": duties})
    told = [discount.amount for discount in line.discounts]
    off = share(sum(told, _NOTHING), units, line.current, order.currency)
    amounts = split(off, told, order.currency) if told else ()
    discounts = tuple(
        discount.model_copy(update={"amount": amount})
        for discount, amount in zip(line.discounts, amounts, strict=True)
    )
    return line.model_copy(
        update={"current": units, "discounts": discounts, "taxes": part.taxes, "duties": duties}
    )


def divide_sales_line(line: SalesLine, sizes: Sequence[int], currency: str) -> tuple[SalesLine, ...]:
    """The parts of a line of the ERP, priced without tax. Raises ValueError unless they are all of its units."""
    if sum(sizes) != line.quantity:
        raise ValueError(f"line {line.line_id}: {list(sizes)} are not its {line.quantity} units")
    starts = list(accumulate(sizes, initial=0))

    def amounts(whole: Decimal) -> list[Decimal]:
        so_far = [share(whole, units, line.quantity, currency) for units in starts]
        return [after - before for before, after in pairwise(so_far)]

    nets = amounts(line.net)
    taxes = [(tax.code, amounts(tax.amount)) for tax in line.taxes]
    return tuple(
        line.model_copy(
            update={
                "quantity": size,
                "net": nets[index],
                "taxes": tuple(TaxAmount(code=code, amount=parts[index]) for code, parts in taxes),
            }
        )
        for index, size in enumerate(sizes)
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
