"""Divides an order among the sales that it has in Tryton: what each is to have, and what none of them has. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.tryton.amounts import net_of
from adapters.tryton.notes import is_rounding
from adapters.tryton.reading import is_in_force
from adapters.tryton.records import SaleRecord
from adapters.tryton.sums import tax_amounts
from domain.adding_up import sum_by_code
from domain.erp_order import SalesLine, SalesOrder, TaxAmount
from domain.money import split
from domain.tax_allocation import divide_sales_line

_NOTHING: Final = Decimal(0)
_Content = tuple[str, str | None, str]
"""Storefront line, warehouse and product."""


class _Held(NamedTuple):
    units: int
    net: Decimal


class _Shared(NamedTuple):
    """Lines that a sale has, those that it has not, and whether the former are all that it holds."""

    mine: list[SalesLine]
    others: list[SalesLine]
    stays: bool


class Part(NamedTuple):
    """What one sale is to have of an order."""

    sale: SaleRecord
    order: SalesOrder
    stays: bool
    """It has just that."""


class Divided(NamedTuple):
    """An order, by the sales that are there; ``added`` is what none of them has, None where that is nothing."""

    parts: tuple[Part, ...]
    added: SalesOrder | None


def divide(sales: Sequence[SaleRecord], target: SalesOrder) -> Divided | None:
    """The target by sales: of each line the first has what it holds of it, then the next, and the rest is added.

    None where a price or a tax is another, which no sale that ships can take.
    """
    left = list(target.lines)
    shares: list[tuple[SaleRecord, list[SalesLine], bool]] = []
    off: dict[str, Decimal] = defaultdict(Decimal)
    for sale in sales:
        shared = _shared(left, sale, _held(sale))
        if shared is None:
            return None
        mine, left, stays = shared
        shares.append((sale, mine, stays))
        # Between the units of a line taxes were divided by estimate; those of a sale that stays are what they are.
        beyond = _beyond(sale, mine) if stays else {}
        if not _add_taxes(mine, beyond, target.currency):
            return None
        for code, amount in beyond.items():
            off[code] -= amount
    taking = left or next((mine for _, mine, stays in shares if not stays and mine), [])
    nets = _nets(target.lines)
    for line_id, net in _nets([*left, *(line for _, mine, _ in shares for line in mine)]).items():
        nets[line_id] -= net
    if not _add_nets(taking, nets) or not _add_taxes(taking, off, target.currency):
        return None
    parts = tuple(Part(sale, _order_of(target, mine), stays) for sale, mine, stays in shares)
    added = _order_of(target, left).model_copy(update={"payments": ()}) if left else None
    return Divided(parts, added)


def added_parts(sales: Sequence[SaleRecord], target: SalesOrder) -> SalesOrder | None:
    """What no sale has of the lines ``target.only``; None where one is to have less of them, or where it is nothing."""
    left, only = list(target.lines), target.only or ()
    more = {tax.code: tax.amount for tax in target.taxes}
    total = target.total
    for sale in sales:
        held = {content: each for content, each in _held(sale).items() if content[0] in only}
        shared = _shared(left, sale, held)
        if shared is None or not shared.stays:
            return None
        left = shared.others
        total -= sale.total_amount
        for code, amount in tax_amounts(sale).items():
            more[code] = more.get(code, _NOTHING) - amount
    for tax in (tax for line in left for tax in line.taxes):
        more[tax.code] = more.get(tax.code, _NOTHING) - tax.amount
    if not left or not _add_taxes(left, more, target.currency):
        return None
    added = _order_of(target, left).model_copy(update={"payments": (), "only": None})
    return added if added.total == total else None


def sale_of_lines(order: SaleRecord, target: SalesOrder) -> Part | None:
    """The one sale that has the lines ``target.only``, and what it is to come to; None where several have some."""
    together = [order, *(each for each in order.supplements if is_in_force(each))]
    having = [each for each in together if {content[0] for content in _held(each)} & set(target.only or ())]
    if len(having) > 1:
        return None
    (sale,) = having or (order,)
    others = [each for each in together if each is not sale]
    taxes = [TaxAmount(code=code, amount=-tax) for x in others for code, tax in tax_amounts(x).items()]
    update = {
        "total": target.total - sum((each.total_amount for each in others), _NOTHING),
        "taxes": sum_by_code((*target.taxes, *taxes)),
    }
    return Part(sale, target.model_copy(update=update), stays=False)


def _shared(lines: Sequence[SalesLine], sale: SaleRecord, held: Mapping[_Content, _Held]) -> _Shared | None:
    """None where the price of a line is another than the sale's."""
    mine: list[SalesLine] = []
    others: list[SalesLine] = []
    for line in lines:
        divided = _divided(line, held.get(_content(line)), sale.currency.code, sale.currency.rounding)
        if divided is None:
            return None
        mine += divided[0]
        others += divided[1]
    stays = {_content(line): _Held(line.quantity, line.net) for line in mine} == held
    return _Shared(mine, others, stays)


def _divided(
    line: SalesLine, held: _Held | None, currency: str, step: Decimal
) -> tuple[list[SalesLine], list[SalesLine]] | None:
    """What a sale has of a line, and what it has not; None where its price is another."""
    if held is None:
        return [], [line]
    cents = step * (1 + len(line.taxes))
    if line.quantity <= held.units:
        # Divided by warehouses, a line of other units in all may have another cent here, and one there.
        same = line.quantity == held.units and abs(line.net - held.net) <= cents
        return [line.model_copy(update={"net": held.net}) if same else line], []
    first, more = divide_sales_line(line, (held.units, line.quantity - held.units), currency)
    if abs(first.net - held.net) > cents:
        return None
    return (
        [first.model_copy(update={"net": held.net})],
        [more.model_copy(update={"net": more.net + first.net - held.net})],
    )


def _beyond(sale: SaleRecord, lines: Sequence[SalesLine]) -> dict[str, Decimal]:
    """By tax, what the sale has more of it than the lines."""
    beyond = defaultdict(Decimal, tax_amounts(sale))
    for line in lines:
        for tax in line.taxes:
            beyond[tax.code] -= tax.amount
    return beyond


def _add_taxes(lines: list[SalesLine], more: Mapping[str, Decimal], currency: str) -> bool:
    """Have the lines take up so much more of each tax, in equal parts; whether they have such taxes."""
    for code, amount in more.items():
        taxed = [place for place, line in enumerate(lines) if any(tax.code == code for tax in line.taxes)]
        if not taxed and amount:
            return False
        for place, part in zip(
            taxed, split(amount, [1] * len(taxed), currency) if taxed else (), strict=True
        ):
            taxes = tuple(
                tax.model_copy(update={"amount": tax.amount + part}) if tax.code == code else tax
                for tax in lines[place].taxes
            )
            lines[place] = lines[place].model_copy(update={"taxes": taxes})
    return True


def _add_nets(lines: list[SalesLine], more: Mapping[str, Decimal]) -> bool:
    """Have the lines take up so much more without tax, each its own, as far as there is one; whether there is any."""
    for line_id, amount in more.items():
        place = next((place for place, line in enumerate(lines) if line.line_id == line_id), -1)
        if amount and not lines:
            return False
        if amount:
            lines[place] = lines[place].model_copy(update={"net": lines[place].net + amount})
    return True


def _nets(lines: Iterable[SalesLine]) -> dict[str, Decimal]:
    """By storefront line."""
    nets: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        nets[line.line_id] += line.net
    return nets


def _held(sale: SaleRecord) -> dict[_Content, _Held]:
    held: dict[_Content, _Held] = {}
    for line in sale.order_lines:
        if is_rounding(line.note) or not line.units:
            continue
        content = (*line.origin, (line.product.code if line.product else None) or "")
        units, net = held.get(content, _Held(0, _NOTHING))
        price = line.unit_price or _NOTHING
        held[content] = _Held(
            units + int(line.units), net + net_of(line.units, price, sale.currency.rounding)
        )
    return held


def _content(line: SalesLine) -> _Content:
    return line.line_id, line.warehouse, line.product


def _order_of(target: SalesOrder, lines: Sequence[SalesLine]) -> SalesOrder:
    taxes = sum_by_code(tax for line in lines for tax in line.taxes)
    total = sum((line.net for line in lines), sum((tax.amount for tax in taxes), _NOTHING))
    return target.model_copy(update={"lines": tuple(lines), "taxes": taxes, "total": total})
