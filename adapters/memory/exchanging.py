"""What a buyer gets for goods that come back: inside the memory storefront, and in the memory ERP's books. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from adapters.errors import Rejected
from adapters.memory.giving_back import find, requested, with_status
from adapters.memory.order_changes import NewId, summed
from adapters.requests import ExchangeRequest
from domain.adding_up import sum_by_code
from domain.erp_order import ErpExchange, ErpOrder, SalesLine, SalesOrder
from domain.money import round_money
from domain.order import (
    ExchangeLine,
    LocationLine,
    LocationPlan,
    Order,
    OrderLine,
    ReturnStatus,
    TaxLine,
)

_NOTHING = Decimal(0)


def with_exchange(order: Order, return_id: str, instead: Mapping[str, int]) -> Order:
    """The order whose return is to be an exchange for these units by SKU."""
    parts = tuple(
        ExchangeLine(id=f"{return_id}-x{number}", name=sku, quantity=units)
        for number, (sku, units) in enumerate(instead.items(), 1)
    )
    returns = (
        each.model_copy(update={"exchange": parts}) if each.return_id == return_id else each
        for each in order.returns
    )
    return order.model_copy(update={"returns": tuple(returns)})


def opened(order: Order, request: ExchangeRequest, return_id: str) -> Order:
    """The order with a return that is agreed to. Raises Rejected with cause ``not_returnable``."""
    try:
        asked = requested(order, request.lines, request.reason, return_id)
    except ValueError as error:
        raise Rejected("storefront", "open exchange", str(error), "not_returnable") from error
    return with_status(with_exchange(asked, return_id, request.instead), return_id, ReturnStatus.OPEN)


def require_sold(instead: Mapping[str, int], prices: Mapping[str, Decimal]) -> None:
    """Raises Rejected with cause ``variant_unknown`` for what the shop does not sell."""
    for sku in instead:
        if sku not in prices:
            reason = f"the shop sells nothing with the SKU {sku!r}; correct it, or put it on sale there"
            raise Rejected("storefront", "open exchange", reason, f"variant_unknown:{sku}")


def released(
    order: Order, placed: Order, return_id: str, prices: Mapping[str, Decimal], new_id: NewId
) -> tuple[Order, tuple[OrderLine, ...]]:
    """The order with what the buyer gets on it, to be shipped from its first location; and those lines.

    Taxed as the order's first line is.
    """
    held, new, parts = find(order, return_id), [], []
    waiting = [part.name for part in held.exchange if part.quantity > part.processed]
    if waiting and held.status is not ReturnStatus.OPEN:
        reason = f"return {held.number} is {held.status}, so nothing is to be sent for it any more"
        raise Rejected("storefront", "release exchange", reason, "exchange_closed")
    require_sold(dict.fromkeys(waiting, 1), prices)
    for part in held.exchange:
        units = part.quantity - part.processed
        if not units:
            parts.append(part)
            continue
        line = _line(order, placed, new_id(), part.name, units, prices)
        new.append(line)
        changes = {"processed": part.quantity, "line_ids": (*part.line_ids, line.line_id)}
        parts.append(part.model_copy(update=changes))
    location = next((plan.location for plan in order.location_plans), "101")
    plan = LocationPlan(
        id=new_id(),
        location=location,
        open=True,
        lines=tuple(
            LocationLine(id=new_id(), line_id=line.line_id, quantity=line.current, remaining=line.current)
            for line in new
        ),
    )
    changed = held.model_copy(update={"exchange": tuple(parts)})
    returns = tuple(changed if each.return_id == return_id else each for each in order.returns)
    after = summed(order, placed, (*order.lines, *new), order.shipping)
    plans = (*order.location_plans, plan) if new else order.location_plans
    return after.model_copy(update={"returns": returns, "location_plans": plans}), tuple(new)


def added(order: ErpOrder, exchange: SalesOrder) -> ErpOrder:
    """The order with an exchange noted on it; its lines and amounts are not counted in yet."""
    number = len(order.exchanges) + 1
    made = ErpExchange(
        return_id=exchange.exchange_id,
        erp_id=f"{order.erp_id}-{number}",
        number=f"{order.number}-X{number}",
        lines=tuple(dict.fromkeys(line.line_id for line in exchange.lines)),
        total=exchange.total,
        taxes=exchange.taxes,
    )
    return order.model_copy(update={"exchanges": (*order.exchanges, made)})


def beside(sales: SalesOrder, exchange: SalesOrder) -> SalesOrder:
    """What the books hold of an order together with an exchange of it."""
    return _together(sales, (*sales.lines, *exchange.lines), sales.total + exchange.total)


def with_exchanges(target: SalesOrder, held: ErpOrder, entered: SalesOrder) -> SalesOrder:
    """All that the books are to hold where one part of it is amended: what was sold, some lines of it, an exchange."""
    exchanged = {line: each.return_id for each in held.exchanges for line in each.lines}
    if target.exchange_id or target.only is not None:
        replaced = target.only or {line for line, each in exchanged.items() if each == target.exchange_id}
        kept = tuple(line for line in entered.lines if line.line_id not in replaced)
        lines = (*kept, *target.lines)
        return _together(_directed(entered, target), lines, _worth(lines))
    lines = tuple(line for line in entered.lines if line.line_id in exchanged)
    total = sum((each.total for each in held.exchanges), target.total)
    return _together(target, (*target.lines, *lines), total) if exchanged else target


def _directed(entered: SalesOrder, target: SalesOrder) -> SalesOrder:
    """What is entered, going where some lines of it are to go, and with what the buyer says now."""
    if target.exchange_id:
        return entered
    said = entered.instructions.splitlines()
    said += [line for line in target.instructions.splitlines() if line not in said]
    addresses = {name: getattr(target, name) for name in ("shipping_address", "billing_address")}
    return entered.model_copy(update={"instructions": "\n".join(said), **addresses})


def amended_exchange(order: ErpOrder, sales: SalesOrder, target: SalesOrder) -> ErpOrder:
    """The order whose exchange is noted as the books hold it now; one without lines is none any more."""
    if target.exchange_id and target.exchange_id not in {each.return_id for each in order.exchanges}:
        return added(order, target) if target.lines else order
    exchanges = []
    for each in order.exchanges:
        if each.return_id != target.exchange_id:
            exchanges.append(each)
            continue
        of_it = {*each.lines, *(line.line_id for line in target.lines)}
        lines = tuple(line for line in sales.lines if line.line_id in of_it)
        changes = {
            "lines": tuple(dict.fromkeys(line.line_id for line in lines)),
            "total": _worth(lines),
            "taxes": sum_by_code(tax for line in lines for tax in line.taxes),
        }
        if lines:
            exchanges.append(each.model_copy(update=changes))
    return order.model_copy(update={"exchanges": tuple(exchanges)})


def require_total(order: ErpOrder, sales: SalesOrder, target: SalesOrder) -> None:
    """Raises Rejected, cause ``amounts_differ``, where some lines and what stays do not come to what is asked for."""
    held = sales.total - sum((each.total for each in order.exchanges), _NOTHING)
    if target.only is not None and held != target.total:
        reason = f"with the edit the order comes to {held}, the order says {target.total}"
        raise Rejected("erp", "amend order", reason, "amounts_differ")


def _worth(lines: Iterable[SalesLine]) -> Decimal:
    return sum((line.net + sum((tax.amount for tax in line.taxes), _NOTHING) for line in lines), _NOTHING)


def _together(sales: SalesOrder, lines: tuple[SalesLine, ...], total: Decimal) -> SalesOrder:
    taxes = sum_by_code(tax for line in lines for tax in line.taxes)
    return sales.model_copy(update={"lines": lines, "total": total, "taxes": taxes})


def _line(  # noqa: PLR0917  what a line is made of
    order: Order, placed: Order, line_id: str, sku: str, units: int, prices: Mapping[str, Decimal]
) -> OrderLine:
    price = prices[sku]
    first = next((line for line in placed.lines if line.taxes), None)
    rates = [(tax.title, tax.rate) for tax in first.taxes] if first else []
    divisor = 1 + sum((rate for _, rate in rates), _NOTHING) if order.taxes_included else Decimal(1)
    return OrderLine(
        line_id=line_id,
        sku=sku,
        title=sku,
        ordered=units,
        current=units,
        unit_price=price,
        taxes=tuple(
            TaxLine(title=t, rate=r, amount=round_money(units * price * r / divisor, order.currency))
            for t, r in rates
        ),
    )
