"""What a buyer gets in exchange for goods that come back: lines of the order that a return has put on it. Pure.

The ERP enters the lines of each exchange as an order of their own beside the one that was sold first, so the order as
it was sold, and each exchange, are planned and compared apart. The money is one balance.
"""

from collections import Counter
from collections.abc import Collection
from decimal import Decimal

from domain.erp_order import ErpOrder
from domain.money import proportion
from domain.order import ExchangeLine, Order, ReturnStatus, StorefrontReturn
from domain.tax_allocation import part_of_line, whole_of

_NOTHING = Decimal(0)
_LIVE = frozenset({ReturnStatus.REQUESTED, ReturnStatus.OPEN})


def exchanged_lines(order: Order) -> dict[str, str]:
    """Line -> the return that has put it on the order."""
    return {
        line: each.return_id for each in order.returns for part in each.exchange for line in part.line_ids
    }


def with_later_lines(order: Order, erp: ErpOrder | None) -> Order:
    """The order whose lines that came after an exchange are told as a part of it.

    Who wants something else than an exchange is for has its line taken off and another one added, which no return of
    the storefront's names. The ERP's record says where it stands; a line that the ERP does not have yet joins the last
    exchange: what was sold has left, in part at least, and takes no line any more.
    """
    released = [each for each in order.returns if any(part.line_ids for part in each.exchange)]
    if erp is None or not released:
        return order
    known, entered = exchanged_lines(order), {line.line_id for line in erp.lines}
    held = {line: each.return_id for each in erp.exchanges for line in each.lines}
    later: dict[str, list[ExchangeLine]] = {}
    for line in order.lines:
        joins = held.get(line.line_id, released[-1].return_id)
        if line.line_id in known or (
            line.line_id not in held and (line.line_id in entered or not line.current)
        ):
            continue
        part = ExchangeLine(
            id=f"line {line.line_id}",
            name=line.sku or line.title,
            quantity=line.current,
            processed=line.current,
            line_ids=(line.line_id,),
        )
        later.setdefault(joins, []).append(part)
    if not later:
        return order
    returns = (
        each.model_copy(update={"exchange": (*each.exchange, *later.get(each.return_id, ()))})
        for each in order.returns
    )
    return order.model_copy(update={"returns": tuple(returns)})


def as_sold(order: Order, exchanges: Collection[str] = ()) -> Order:
    """The order without what came onto it in exchange, that of the returns ``exchanges`` aside."""
    new = {line for line, return_id in exchanged_lines(order).items() if return_id not in exchanges}
    return _of_lines(order, {line.line_id for line in order.lines} - new) if new else order


def only_exchange(order: Order, return_id: str) -> Order:
    """An order of nothing but what the buyer gets for one return: no delivery, no payment, no note of its own."""
    return only_lines(order, {line for line, each in exchanged_lines(order).items() if each == return_id})


def only_lines(order: Order, wanted: Collection[str]) -> Order:
    """An order of nothing but these lines: no delivery, no payment, no note of its own."""
    of_its_own = {"shipping": (), "payments": (), "note": "", "attributes": {}}
    part = _of_lines(order, wanted).model_copy(update=of_its_own)
    parts = [whole_of(order, line) for line in part.lines]
    total = sum((each.gross for each in parts), _NOTHING)
    totals = {
        "total": total,
        "total_tax": sum((each.tax for each in parts), _NOTHING),
        "presentment_total": _presentment(order, total),
    }
    return part.model_copy(update=totals)


def missing_exchanges(order: Order, erp: ErpOrder) -> tuple[str, ...]:
    """Returns whose new lines the ERP does not have yet."""
    known, new = {each.return_id for each in erp.exchanges}, exchanged_lines(order)
    wanted = dict.fromkeys(new[line.line_id] for line in order.lines if line.line_id in new and line.current)
    return tuple(return_id for return_id in wanted if return_id not in known)


def exchange_worth(order: Order, return_id: str) -> Decimal:
    """What the new lines of a return come to, tax included, in ``Order.currency``."""
    return only_exchange(order, return_id).total


def exchange_presentment(order: Order, return_id: str) -> Decimal:
    """The same as the buyer pays it."""
    return only_exchange(order, return_id).presentment_total


def worth_to_come(order: Order, beside: str = "") -> Decimal:
    """What is to come back for exchanges, in ``Order.presentment_currency``: it pays for them once it has come.

    ``beside``: a return that is left out, and with it those whose new lines are not on the order.
    """
    units: Counter[str] = Counter()
    for each in order.returns:
        counts = each.exchange and each.status in _LIVE and (not beside or is_released(each))
        for back in each.lines if counts and each.return_id != beside else ():
            units[back.line_id] += back.quantity - back.processed
    worth = _NOTHING
    for line in order.lines:
        coming = min(units[line.line_id], line.current)
        worth += part_of_line(order, line, line.current - coming, coming).gross if coming else _NOTHING
    return _presentment(order, worth)


def paid_in_goods(order: Order, beside: str) -> Decimal:
    """What is going to be paid by goods that come back, of what other returns than ``beside`` have put on the order.

    In ``Order.presentment_currency``; never more than that comes to: what is left over goes back to the buyer.
    """
    others = (
        x.return_id for x in order.returns if x.status in _LIVE and x.return_id != beside and is_released(x)
    )
    whole = sum((exchange_presentment(order, return_id) for return_id in others), _NOTHING)
    return min(worth_to_come(order, beside), whole)


def is_released(each: StorefrontReturn) -> bool:
    """Whether all that the buyer gets for it is on the order."""
    return bool(each.exchange) and all(part.processed >= part.quantity for part in each.exchange)


def exchange_units(each: StorefrontReturn) -> dict[str, int]:
    """What people call it -> units of it that the buyer gets."""
    units: Counter[str] = Counter()
    for part in each.exchange:
        units[part.name] += part.quantity
    return dict(units)


def _of_lines(order: Order, kept: Collection[str]) -> Order:
    """The order with some of its lines alone; its totals lose what the others come to."""
    others = [whole_of(order, line) for line in order.lines if line.line_id not in kept]
    total = order.total - sum((part.gross for part in others), _NOTHING)
    return order.model_copy(
        update={
            "lines": tuple(line for line in order.lines if line.line_id in kept),
            "total": total,
            "total_tax": order.total_tax - sum((part.tax for part in others), _NOTHING),
            "presentment_total": _presentment(order, total),
        }
    )


def _presentment(order: Order, amount: Decimal) -> Decimal:
    """An amount as the buyer pays it, in proportion to the order."""
    if order.currency == order.presentment_currency or not order.total:
        return amount
    return proportion(order.presentment_total, amount, order.total, order.presentment_currency)
