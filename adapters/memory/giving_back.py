"""Refunds and returns inside the memory storefront. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from adapters.errors import Rejected
from adapters.memory.order_changes import NewId, summed
from adapters.requests import RefundLine, RefundQuote, RefundRequest
from domain.money import proportion
from domain.order import (
    ExtraCharge,
    Order,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentStatus,
    ReturnLine,
    ReturnStatus,
    ShippingCharge,
    StorefrontReturn,
)
from domain.returns import QuotedPart, RefundPart
from domain.tax_allocation import Charged, lowered

_NOTHING = Decimal(0)
_TAKEN = frozenset({PaymentKind.CAPTURE, PaymentKind.SALE})


def after_refund(order: Order, placed: Order, request: RefundRequest, new_id: NewId) -> Order:
    """The order with units, delivery and money given back.

    Raises Rejected with cause ``not_returnable``, ``refund_exceeds_payment`` or ``return_unknown``.
    """
    if request.return_id is not None:
        _check_open(find(order, request.return_id), request.lines)
    refunded = _without(order, placed, request)
    payments = order.payments
    for part in request.money:
        payments = (*payments, _given_back(payments, part, order.currency, new_id))
    returns = tuple(
        _processed(each, request.lines) if each.return_id == request.return_id else each
        for each in order.returns
    )
    return refunded.model_copy(update={"payments": payments, "returns": returns})


def quote(order: Order, placed: Order, request: RefundRequest) -> RefundQuote:
    """What the order's total loses. Raises Rejected with cause ``not_returnable``."""
    after = _without(order, placed, request)
    units = _units(request.lines)
    lines = zip(order.lines, after.lines, strict=True)
    parts = [
        _quoted(order, line.line_id, units[line.line_id], line, left)
        for line, left in lines
        if units[line.line_id]
    ]
    # Duties follow the units that they are on.
    duties = zip(order.duties, after.duties, strict=True)
    parts += [_quoted(order, duty.charge_id, 1, duty, left) for duty, left in duties if duty != left]
    charges = zip(order.shipping, after.shipping, strict=True)
    parts += [_quoted(order, charge.charge_id, 1, charge, left) for charge, left in charges if charge != left]
    return RefundQuote(
        parts=tuple(parts),
        total=order.total - after.total,
        presentment_total=order.presentment_total - after.presentment_total,
    )


def not_found(request: RefundRequest) -> Rejected:
    """What a refund that is only to be found is answered where there is none."""
    reason = f"the units of {request.note or request.refund_key} are refunded already, by a refund of somebody else"
    return Rejected("storefront", "refund order", reason, "not_returnable")


def requested(order: Order, units: Mapping[str, int], reason: str, return_id: str) -> Order:
    """The order with a return that its buyer asks for. Raises ValueError where so many units have not left."""
    for line_id, wanted in units.items():
        if not 0 < wanted <= returnable(order, line_id):
            msg = f"{returnable(order, line_id)} units of line {line_id} can be returned, not {wanted}"
            raise ValueError(msg)
    made = StorefrontReturn(
        return_id=return_id,
        number=f"{order.number}-R{len(order.returns) + 1}",
        status=ReturnStatus.REQUESTED,
        lines=tuple(
            ReturnLine(id=f"{return_id}-{line_id}", line_id=line_id, quantity=wanted, reason=reason)
            for line_id, wanted in units.items()
        ),
    )
    return order.model_copy(update={"returns": (*order.returns, made)})


def ended(each: StorefrontReturn) -> ReturnStatus:
    """The state of a return that nothing more comes of."""
    if each.status is ReturnStatus.REQUESTED:
        return ReturnStatus.DECLINED
    if each.status is not ReturnStatus.OPEN:
        return each.status
    begun = any(line.processed for line in each.lines) or any(part.processed for part in each.exchange)
    return ReturnStatus.CLOSED if begun else ReturnStatus.CANCELED


def find(order: Order, return_id: str) -> StorefrontReturn:
    """A return of an order. Raises Rejected with cause ``return_unknown``."""
    for each in order.returns:
        if each.return_id == return_id:
            return each
    reason = f"order {order.number} has no return {return_id}"
    raise Rejected("storefront", "change return", reason, "return_unknown")


def with_status(order: Order, return_id: str, status: ReturnStatus) -> Order:
    """The order with a return in another state. Raises Rejected with cause ``return_unknown``."""
    find(order, return_id)
    return order.model_copy(
        update={
            "returns": tuple(
                each.model_copy(update={"status": status}) if each.return_id == return_id else each
                for each in order.returns
            )
        }
    )


def returnable(order: Order, line_id: str) -> int:
    """Units that left and that the buyer still has."""
    current = sum(line.current for line in order.lines if line.line_id == line_id)
    plans = [plan for plan in order.location_plans if plan.open]
    return current - sum(part.remaining for plan in plans for part in plan.lines if part.line_id == line_id)


def _without(order: Order, placed: Order, request: RefundRequest) -> Order:
    units = _units(request.lines)
    known = {line.line_id for line in order.lines}
    for line_id, quantity in units.items():
        if line_id not in known or quantity > returnable(order, line_id):
            reason = f"{quantity} units of line {line_id} are to be given back, but not so many have left"
            raise Rejected("storefront", "refund order", reason, "not_returnable")
    originals = {line.line_id: line for line in placed.lines}
    lines = tuple(
        lowered(order, originals[line.line_id], line.current - units[line.line_id])
        if units[line.line_id]
        else line
        for line in order.lines
    )
    return summed(order, placed, lines, _shipping_left(order, placed, request.shipping))


def _shipping_left(order: Order, placed: Order, amount: Decimal) -> tuple[ShippingCharge, ...]:
    """Delivery with so much of its price given back, the first charge first."""
    left, charges = amount, []
    originals = {charge.charge_id: charge for charge in placed.shipping}
    for charge in order.shipping:
        price = charge.price - sum((d.amount for d in charge.discounts), _NOTHING)
        taken = min(left, price)
        left -= taken
        whole = originals[charge.charge_id]
        full = whole.price - sum((d.amount for d in whole.discounts), _NOTHING)
        taxes = tuple(
            tax.model_copy(update={"amount": proportion(tax.amount, price - taken, full, order.currency)})
            for tax in (whole.taxes if full else ())
        )
        update = {"price": charge.price - taken, "taxes": taxes}
        charges.append(charge.model_copy(update=update) if taken else charge)
    if left:
        reason = f"delivery costs {amount - left}; {amount} of it cannot be given back"
        raise Rejected("storefront", "refund order", reason, "not_returnable")
    return tuple(charges)


def _given_back(payments: tuple[Payment, ...], part: RefundPart, currency: str, new_id: NewId) -> Payment:
    source = next((p for p in payments if p.payment_id == part.payment_id and p.kind in _TAKEN), None)
    back = [p for p in payments if p.kind is PaymentKind.REFUND and p.parent_id == part.payment_id]
    before = sum((p.presentment_amount for p in back), _NOTHING)
    if source is None or before + part.amount > source.presentment_amount:
        held = source.presentment_amount - before if source else _NOTHING
        reason = f"payment {part.payment_id} holds {held} still; {part.amount} cannot be given back"
        raise Rejected("storefront", "refund order", reason, "refund_exceeds_payment")
    so_far = proportion(source.amount, before + part.amount, source.presentment_amount, currency)
    return Payment(
        payment_id=new_id(),
        kind=PaymentKind.REFUND,
        status=PaymentStatus.SUCCESS,
        gateway=source.gateway,
        amount=so_far - sum((p.amount for p in back), _NOTHING),
        presentment_amount=part.amount,
        parent_id=source.payment_id,
    )


def _check_open(held: StorefrontReturn, lines: Iterable[RefundLine]) -> None:
    still = Counter[str]()
    for line in held.lines if held.status is ReturnStatus.OPEN else ():
        still[line.line_id] += line.quantity - line.processed
    for line_id, units in _units(lines).items():
        if units > still[line_id]:
            reason = f"{units} units of line {line_id} are to be given back, {still[line_id]} are open in {held.number}"
            raise Rejected("storefront", "refund order", reason, "not_returnable")


def _processed(each: StorefrontReturn, lines: Iterable[RefundLine]) -> StorefrontReturn:
    units = _units(lines)
    settled = []
    for line in each.lines:
        taken = min(units[line.line_id], line.quantity - line.processed)
        units[line.line_id] -= taken
        settled.append(line.model_copy(update={"processed": line.processed + taken}))
    over = all(line.processed == line.quantity for line in settled) and all(
        part.processed == part.quantity for part in each.exchange
    )
    status = ReturnStatus.CLOSED if over else each.status
    return each.model_copy(update={"lines": tuple(settled), "status": status})


def _units(lines: Iterable[RefundLine]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.line_id] += line.quantity
    return units


def _discounted(part: Charged) -> Decimal:
    price = part.current * part.unit_price if isinstance(part, OrderLine) else part.price
    return price - sum((d.amount for d in part.discounts), _NOTHING)


Part = TypeVar("Part", OrderLine, ShippingCharge, ExtraCharge)


def _quoted(order: Order, line_id: str, quantity: int, before: Part, after: Part) -> QuotedPart:
    left = {(tax.title, tax.rate): tax.amount for tax in after.taxes}
    taxes = tuple(
        tax.model_copy(update={"amount": tax.amount - left.get((tax.title, tax.rate), _NOTHING)})
        for tax in before.taxes
    )
    price, tax = _discounted(before) - _discounted(after), sum((t.amount for t in taxes), _NOTHING)
    net = price - tax if order.taxes_included else price
    return QuotedPart(line_id=line_id, quantity=quantity, net=net, tax=tax, taxes=taxes)
