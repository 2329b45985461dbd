"""Goods that come back to the memory ERP: expected, received, settled and credited. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from adapters.errors import Rejected
from domain.adding_up import credited_by
from domain.erp_order import (
    LOWERING,
    ErpInvoice,
    ErpInvoiceState,
    ErpOrder,
    ErpReturn,
    ErpReturnState,
    KeptPieces,
    SalesLineKind,
    ShipmentLine,
)
from domain.kit_returns import gross_of, in_units, line_of, product_of
from domain.returns import CreditLine, ReturnAuthorization, ReturnCredit

_NOTHING = Decimal(0)
_OF_PIECES = frozenset({SalesLineKind.KEPT, SalesLineKind.PIECES})


def find(order: ErpOrder, return_id: str) -> ErpReturn | None:
    """A return of an order."""
    return next((each for each in order.returns if each.return_id == return_id), None)


def expected(order: ErpOrder, request: ReturnAuthorization) -> ErpOrder:
    """The order with the goods expected, unless it has that return already."""
    if find(order, request.return_id) is not None:
        return order
    number = f"RMA-{order.number}-{len(order.returns) + 1}"
    made = ErpReturn(
        return_id=request.return_id, number=number, state=ErpReturnState.EXPECTED, expected=request.lines
    )
    return order.model_copy(update={"returns": (*order.returns, made)})


def _whole(order: ErpOrder, units: Mapping[str, int]) -> dict[str, int]:
    """Kits whole as far as their pieces make them up. Raises ValueError for a piece of what is no kit."""
    for name in units:
        parts = order.kits.get(line_of(name), ())
        if product_of(name) and product_of(name) not in {part.product for part in parts}:
            msg = f"{order.key}: {name} is no piece of a kit of the order"
            raise ValueError(msg)
    return in_units(units, order.kits)


def received(order: ErpOrder, return_id: str, units: Mapping[str, int]) -> ErpOrder:
    """The order with units taken in, added to what came before. Raises ValueError where nothing is expected."""
    held = find(order, return_id)
    if held is None or held.state not in {ErpReturnState.EXPECTED, ErpReturnState.RECEIVED}:
        msg = f"{order.key}: no goods of return {return_id} are expected"
        raise ValueError(msg)
    taken: Counter[str] = Counter({line.line_id: line.quantity for line in held.received})
    taken.update(units)
    whole = _lines(_whole(order, taken))
    return _with(order, held.model_copy(update={"state": ErpReturnState.RECEIVED, "received": whole}))


def canceled(order: ErpOrder, return_id: str) -> ErpOrder:
    """The order with the goods expected no more.

    Raises Rejected with cause ``return_received`` or ``return_settled``.
    """
    held = find(order, return_id)
    if held is None or held.state is ErpReturnState.CANCELED:
        return order
    if held.state is not ErpReturnState.EXPECTED:
        cause = "return_received" if held.state is ErpReturnState.RECEIVED else "return_settled"
        raise Rejected("erp", "cancel return", f"return {held.number} is {held.state} already", cause)
    return _with(order, held.model_copy(update={"state": ErpReturnState.CANCELED}))


def credited(order: ErpOrder, credit: ReturnCredit) -> ErpOrder:
    """The order with the return settled and its credit note posted.

    Raises Rejected with cause ``return_canceled`` or ``amounts_differ``.
    """
    held = find(order, credit.return_id)
    if held is not None and held.state is ErpReturnState.CANCELED:
        raise Rejected("erp", "credit return", f"return {held.number} is canceled", "return_canceled")
    for reason in _differences(credit):
        raise Rejected("erp", "credit return", reason, "amounts_differ")
    held = held or ErpReturn(
        return_id=credit.return_id,
        number=f"RMA-{order.number}-{len(order.returns) + 1}",
        state=ErpReturnState.SETTLED,
    )
    kept = tuple(_kept(line) for line in credit.lines if line.kind in _OF_PIECES)
    settled = held.model_copy(
        update={
            "state": ErpReturnState.SETTLED,
            "credited": credited_by(credit.lines),
            "total": credit.total,
            "taxes": credit.taxes,
            "fee": sum((x.net for x in credit.lines if x.kind is SalesLineKind.FEE), gross_of(kept)),
            "kept": kept,
        }
    )
    order = _with(order, settled)
    if not credit.lines:
        return order
    tax = sum((tax.amount for tax in credit.taxes), _NOTHING)
    number = len(order.invoices) + 1
    note = ErpInvoice(
        invoice_id=f"{order.erp_id}-{number}",
        number=f"CN-{order.number}-{number}",
        state=ErpInvoiceState.POSTED,
        is_credit=True,
        net=credit.total - tax,
        tax=tax,
        total=credit.total,
    )
    return order.model_copy(update={"invoices": (*order.invoices, note)})


def _differences(credit: ReturnCredit) -> Iterator[str]:
    """Where a credit does not add up, in words."""
    taxes: defaultdict[str, Decimal] = defaultdict(Decimal)
    total = _NOTHING
    for line in credit.lines:
        sign = -1 if line.kind in LOWERING else 1
        total += sign * line.net
        for tax in line.taxes:
            taxes[tax.code] += sign * tax.amount
            total += sign * tax.amount
    if total != credit.total:
        yield f"the lines come to {total}, the credit note is to come to {credit.total}"
    asked = {tax.code: tax.amount for tax in credit.taxes}
    for code in sorted(taxes.keys() | asked.keys()):
        if taxes[code] != asked.get(code, _NOTHING):
            yield f"tax {code} of the lines is {taxes[code]}, asked is {asked.get(code, _NOTHING)}"


def _kept(line: CreditLine) -> KeptPieces:
    sign = 1 if line.kind is SalesLineKind.KEPT else -1
    return KeptPieces(
        line_id=line_of(line.line_id),
        product=line.product,
        quantity=sign * line.quantity,
        net=sign * line.net,
        taxes=tuple(tax.model_copy(update={"amount": sign * tax.amount}) for tax in line.taxes),
    )


def _with(order: ErpOrder, changed: ErpReturn) -> ErpOrder:
    if find(order, changed.return_id) is None:
        return order.model_copy(update={"returns": (*order.returns, changed)})
    return order.model_copy(
        update={"returns": tuple(changed if x.return_id == changed.return_id else x for x in order.returns)}
    )


def _lines(units: Mapping[str, int]) -> tuple[ShipmentLine, ...]:
    return tuple(
        ShipmentLine(line_id=line, quantity=quantity) for line, quantity in units.items() if quantity
    )
