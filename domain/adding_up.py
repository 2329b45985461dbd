"""Sums of taxes and lines, and whether the lines of a planned order come to its total. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from decimal import Decimal

from domain.differences import Acceptance, Difference, PlanRefused, accepted_by, not_accepted
from domain.erp_order import (
    ADJUSTMENT_LINE,
    COUNTED,
    TAX_ADJUSTMENT_LINE,
    CreditedLine,
    SalesLine,
    SalesLineKind,
    TaxAmount,
)
from domain.mapping import Mapping
from domain.money import format_money
from domain.order import Order
from domain.returns import CreditLine
from domain.tax_allocation import odd_rates

_NOTHING = Decimal(0)
_ALWAYS_TOLD = frozenset({SalesLineKind.GOODS, SalesLineKind.SHIPPING})


def sum_by_code(taxes: Iterable[TaxAmount]) -> tuple[TaxAmount, ...]:
    """One entry a code, sorted by code; codes that sum to nothing are left out."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for tax in taxes:
        sums[tax.code] += tax.amount
    return tuple(TaxAmount(code=code, amount=amount) for code, amount in sorted(sums.items()) if amount)


def sum_credited(parts: Iterable[CreditedLine]) -> tuple[CreditedLine, ...]:
    """One entry a line that has units, sorted by line."""
    sums: dict[str, CreditedLine] = {}
    for part in parts:
        was = sums.get(part.line_id, CreditedLine(line_id=part.line_id, quantity=0))
        sums[part.line_id] = CreditedLine(
            line_id=part.line_id,
            quantity=was.quantity + part.quantity,
            net=was.net + part.net,
            taxes=sum_by_code((*was.taxes, *part.taxes)),
        )
    return tuple(sums[line] for line in sorted(sums) if sums[line].quantity)


def credited_by(lines: Iterable[CreditLine]) -> tuple[CreditedLine, ...]:
    """Units whose worth a credit note of these lines gives back."""
    return sum_credited(
        CreditedLine(line_id=line.line_id, quantity=line.quantity, net=line.net, taxes=line.taxes)
        for line in lines
        if line.kind in COUNTED
    )


def adjustment(
    order: Order, lines: tuple[SalesLine, ...], mapping: Mapping, acceptances: Collection[Acceptance]
) -> tuple[SalesLine, ...]:
    """The line for a difference between the lines and the order's total.

    Refused where nobody accepted it and the tolerance does not reach.
    """
    differences = _differences(order, lines)
    tolerated = bool(not_accepted(differences, acceptances))
    if tolerated and not _within_tolerance(order, lines, mapping.tax_tolerance):
        raise _does_not_add_up(order, lines, differences, mapping.tax_tolerance)
    missing = order.total - _total(lines)
    if not missing:
        return ()
    if mapping.adjustment_product is None:
        raise PlanRefused(
            "adjustment_product_missing",
            f"a difference of {format_money(missing, order.currency)} was accepted, but mapping {mapping.name!r} names "
            "no adjustment_product to book it on; add one (a service of the ERP without tax), then resubmit",
        )
    description = f"Difference accepted by {accepted_by(differences, acceptances)}"
    if tolerated:
        tolerance = format_money(mapping.tax_tolerance, order.currency)
        description = f"Difference in tax, within the tolerance of {tolerance}"
    return (
        SalesLine(
            line_id=TAX_ADJUSTMENT_LINE if tolerated else ADJUSTMENT_LINE,
            kind=SalesLineKind.ADJUSTMENT,
            product=mapping.adjustment_product,
            warehouse=None,
            quantity=1,
            net=missing,
            description=description,
        ),
    )


def _within_tolerance(order: Order, lines: tuple[SalesLine, ...], tolerance: Decimal) -> bool:
    """Whether nothing but the tax is off, and that by no more than the tolerance."""
    off = order.total_tax - _tax(lines)
    in_total = _NOTHING if order.taxes_included else off
    return abs(off) <= tolerance and order.total - _total(lines) == in_total


def _tax(lines: Iterable[SalesLine]) -> Decimal:
    return sum((t.amount for line in lines for t in line.taxes), _NOTHING)


def _total(lines: Iterable[SalesLine]) -> Decimal:
    return sum((line.net + sum((t.amount for t in line.taxes), _NOTHING) for line in lines), _NOTHING)


def _differences(order: Order, lines: tuple[SalesLine, ...]) -> tuple[Difference, ...]:
    """Where the sums of the lines are not the order's own."""
    sums = (
        ("total of the lines", order.total, _total(lines)),
        ("tax of the lines", order.total_tax, _tax(lines)),
    )
    return tuple(
        Difference(name=name, storefront=told, erp=summed, sides=("order", "lines"))
        for name, told, summed in sums
        if told != summed
    )


def _does_not_add_up(
    order: Order, lines: tuple[SalesLine, ...], differences: tuple[Difference, ...], tolerance: Decimal
) -> PlanRefused:
    nets = {
        kind: sum((x.net for x in lines if x.kind is kind), _NOTHING)
        for kind in SalesLineKind
        if kind in _ALWAYS_TOLD or any(x.kind is kind for x in lines)
    }
    taxes = {t.code: t.amount for t in sum_by_code(tax for line in lines for tax in line.taxes)}
    total_tax = sum(taxes.values(), _NOTHING)
    total = sum(nets.values(), total_tax)

    def words(amount: Decimal) -> str:
        return format_money(amount, order.currency)

    parts = [f"{kind} {words(net)}" for kind, net in nets.items()]
    parts += [f"tax {code} {words(amount)}" for code, amount in taxes.items()]
    rates = [
        f"tax {each.title} {each.rate:f} is {words(each.told)} on the lines, its rate gives {words(each.by_rate)}. "
        for each in odd_rates(order)
    ]
    limit = f"The mapping tolerates {words(tolerance)} of tax. " if tolerance else ""
    return PlanRefused(
        "amounts_differ:order",
        f"the order does not add up: {' + '.join(parts)} = {words(total)}, its total is {words(order.total)} "
        f"(difference {words(order.total - total)}); its taxes sum to {words(total_tax)}, its total tax is "
        f"{words(order.total_tax)} (difference {words(order.total_tax - total_tax)}). {''.join(rates)}{limit}"
        "Find in the store what is on no line, mend or remove it, then resubmit",
        differences,
    )
