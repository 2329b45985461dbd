"""What happens to an order inside the memory storefront: shipped, edited, captured, canceled. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from adapters.errors import Rejected
from adapters.requests import CancelUnitsRequest
from domain.money import proportion, round_money
from domain.order import (
    Fulfillment,
    FulfillmentLine,
    LocationLine,
    LocationPlan,
    Order,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentStatus,
    ShippingCharge,
)
from domain.overpayment import overpaid
from domain.quantities import units_returned
from domain.returns import RefundPart
from domain.tax_allocation import charged_in, lowered, whole_of

NewId = Callable[[], str]
_NOTHING = Decimal(0)


def count_units(lines: Iterable[FulfillmentLine]) -> Counter[str]:
    """Units by line id; a line named twice counts once with both quantities."""
    units: Counter[str] = Counter()
    for line in lines:
        units[line.line_id] += line.quantity
    return +units


def after_shipping(order: Order, fulfillment: Fulfillment, new_id: NewId) -> Order:
    """The order with units gone from the plans of the fulfillment's location; what is missing there moves to it.

    Raises Rejected with cause ``not_open_to_ship`` where fewer units are open in all.
    """
    wanted = count_units(fulfillment.lines)
    if not wanted:
        raise _not_open("the shipment holds no units")
    if order.canceled_at is not None:
        raise _not_open(f"order {order.number} is canceled")
    here = [plan.open and plan.location == fulfillment.location for plan in order.location_plans]
    left = Counter(wanted)
    plans = [_take(plan, left) if at else plan for plan, at in zip(order.location_plans, here, strict=True)]
    missing = +left
    plans = [
        plan if at or not plan.open else _take(plan, left, lower_quantity=True)
        for plan, at in zip(plans, here, strict=True)
    ]
    for line_id, units in (+left).items():
        raise _not_open(
            f"{units} units of line {line_id} are not open at location {fulfillment.location} or any other"
        )
    if missing:
        # A plan of its own: moved there and shipped at once.
        moved = [
            LocationLine(id=new_id(), line_id=line_id, quantity=units, remaining=0)
            for line_id, units in missing.items()
        ]
        plans.append(LocationPlan(id=new_id(), location=fulfillment.location, open=False, lines=tuple(moved)))
    return order.model_copy(
        update={"location_plans": tuple(plans), "fulfillments": (*order.fulfillments, fulfillment)}
    )


def after_edit(order: Order, placed: Order, line_id: str, current: int) -> Order:
    """The order with a line lowered to ``current`` units; its money follows in proportion to ``placed``.

    Raises ValueError where the line is unknown, the quantity grows, or units have left already.
    """
    was = next((line for line in order.lines if line.line_id == line_id), None)
    if was is None:
        raise ValueError(f"order {order.key} has no line {line_id}")
    shipped = sum(count_units(f.lines)[line_id] for f in order.fulfillments)
    shipped -= units_returned(order).get(line_id, 0)
    if not shipped <= current <= was.current:
        raise ValueError(f"line {line_id} can be set to {shipped} up to {was.current} units, not {current}")
    original = next(line for line in placed.lines if line.line_id == line_id)
    kept = lowered(order, original, current)
    plans, removed = [], was.current - current
    for plan in reversed(order.location_plans):
        left = Counter({line_id: removed})
        plans.append(_take(plan, left, lower_quantity=True) if plan.open else plan)
        removed = left[line_id] if plan.open else removed
    lines = tuple(kept if line.line_id == line_id else line for line in order.lines)
    return summed(order, placed, lines, order.shipping).model_copy(
        update={"location_plans": tuple(reversed(plans))}
    )


def after_canceled_units(order: Order, placed: Order, request: CancelUnitsRequest, new_id: NewId) -> Order:
    """The order with lines lowered to units, and what was taken beyond the new total given back.

    Raises Rejected with cause ``units_have_left`` where more than that left already.
    """
    current = {line.line_id: line.current for line in order.lines}
    for line_id, wanted in request.units.items():
        if current.get(line_id, 0) <= wanted:
            continue
        try:
            order = after_edit(order, placed, line_id, wanted)
        except ValueError as error:
            raise Rejected("storefront", "cancel units", str(error), "units_have_left") from error
    back = tuple(
        Payment(
            payment_id=new_id(),
            kind=PaymentKind.REFUND,
            status=PaymentStatus.SUCCESS,
            gateway=part.gateway,
            amount=_in_shop_currency(order, part),
            presentment_amount=part.amount,
            parent_id=part.payment_id,
        )
        for part in overpaid(order, request.total_before - order.presentment_total, request.fees)
    )
    return order.model_copy(update={"payments": (*order.payments, *back)}) if back else order


def _in_shop_currency(order: Order, part: RefundPart) -> Decimal:
    """Counted with what went back before, so that several refunds end at the payment's own amount."""
    parent = next(p for p in order.payments if p.payment_id == part.payment_id)
    back = [p for p in order.payments if p.kind is PaymentKind.REFUND and p.parent_id == part.payment_id]
    so_far = sum((p.presentment_amount for p in back), part.amount)
    whole = proportion(parent.amount, so_far, parent.presentment_amount, order.currency)
    return whole - sum((p.amount for p in back), _NOTHING)


def after_capture(
    order: Order, authorization: Payment, capture_up_to: Decimal, when: datetime, new_id: NewId
) -> Order:
    """The order with what is missing captured; the shop's amounts follow in proportion, exact at the end.

    Raises Rejected with cause ``capture_exceeds_authorization``, ``authorization_voided`` or ``authorization_expired``.
    """
    captured = captures_of(order, authorization.payment_id)
    taken = sum((p.presentment_amount for p in captured), _NOTHING)
    if capture_up_to <= taken:
        return order
    currency = order.presentment_currency
    allowed = authorization.presentment_amount
    if capture_up_to > allowed:
        reason = f"{capture_up_to} {currency} in all is more than the {allowed} {currency} authorized"
        raise Rejected("storefront", "capture payment", reason, "capture_exceeds_authorization")
    if any(p.kind is PaymentKind.VOID and p.parent_id == authorization.payment_id for p in order.payments):
        reason = f"authorization {authorization.payment_id} was voided; take the money in another way"
        raise Rejected("storefront", "capture payment", reason, "authorization_voided")
    if authorization.expires_at is not None and authorization.expires_at <= when:
        reason = f"authorization {authorization.payment_id} expired at {authorization.expires_at:%Y-%m-%d %H:%M} UTC"
        raise Rejected("storefront", "capture payment", reason, "authorization_expired")
    in_shop_currency = proportion(authorization.amount, capture_up_to, allowed, order.currency)
    capture = Payment(
        payment_id=new_id(),
        kind=PaymentKind.CAPTURE,
        status=PaymentStatus.SUCCESS,
        gateway=authorization.gateway,
        amount=in_shop_currency - sum((p.amount for p in captured), _NOTHING),
        presentment_amount=capture_up_to - taken,
        parent_id=authorization.payment_id,
    )
    return order.model_copy(update={"payments": (*order.payments, capture)})


def after_expiry(order: Order, when: datetime) -> Order:
    """The order with every authorization expired."""
    payments = tuple(
        p.model_copy(update={"expires_at": when}) if p.kind is PaymentKind.AUTHORIZATION else p
        for p in order.payments
    )
    return order.model_copy(update={"payments": payments})


def captures_of(order: Order, authorization_id: str) -> tuple[Payment, ...]:
    """Captures of an authorization that took money or still may."""
    return tuple(
        p
        for p in order.payments
        if p.kind is PaymentKind.CAPTURE
        and p.parent_id == authorization_id
        and p.status is not PaymentStatus.FAILED
    )


def after_cancel(order: Order, placed: Order, when: datetime, new_id: NewId) -> Order:
    """The order canceled whole: nothing left to ship or to pay, authorizations voided, money given back.

    Raises Rejected with cause ``already_shipped`` once a parcel left.
    """
    if order.fulfillments:
        reason = f"order {order.number} has shipments already; take it back as a return"
        raise Rejected("storefront", "cancel order", reason, "already_shipped")
    lines = tuple(lowered(order, line, 0) for line in order.lines)
    order = order.model_copy(update={"fees": ()})
    plans = [
        plan.model_copy(
            update={"open": False, "lines": tuple(x.model_copy(update={"remaining": 0}) for x in plan.lines)}
        )
        for plan in order.location_plans
    ]
    return summed(order, placed, lines, ()).model_copy(
        update={
            "canceled_at": when,
            "location_plans": tuple(plans),
            "payments": (*order.payments, *_given_back(order, new_id)),
        }
    )


def _given_back(order: Order, new_id: NewId) -> Iterable[Payment]:
    """Voids of what is authorized only, refunds of what was taken."""
    acting = {
        PaymentKind.AUTHORIZATION: (PaymentKind.VOID, {PaymentKind.CAPTURE, PaymentKind.VOID}),
        PaymentKind.SALE: (PaymentKind.REFUND, {PaymentKind.REFUND}),
        PaymentKind.CAPTURE: (PaymentKind.REFUND, {PaymentKind.REFUND}),
    }
    settled = [p for p in order.payments if p.status is PaymentStatus.SUCCESS]
    for payment in settled:
        if payment.kind not in acting:
            continue
        kind, uses = acting[payment.kind]
        used = [p for p in settled if p.parent_id == payment.payment_id and p.kind in uses]
        amount = payment.amount - sum((p.amount for p in used), _NOTHING)
        presentment = payment.presentment_amount - sum((p.presentment_amount for p in used), _NOTHING)
        if presentment or amount:
            yield Payment(
                payment_id=new_id(),
                kind=kind,
                status=PaymentStatus.SUCCESS,
                gateway=payment.gateway,
                amount=amount,
                presentment_amount=presentment,
                parent_id=payment.payment_id,
            )


def _take(plan: LocationPlan, left: Counter[str], *, lower_quantity: bool = False) -> LocationPlan:
    """Take what is left to take off a plan, and out of ``left``; a plan with nothing remaining closes."""
    lines = []
    for line in plan.lines:
        units = min(left[line.line_id], line.remaining)
        left[line.line_id] -= units
        quantity = line.quantity - units if lower_quantity else line.quantity
        if quantity:
            update = {"remaining": line.remaining - units, "quantity": quantity}
            lines.append(line.model_copy(update=update))
    still_open = any(line.remaining for line in lines)
    return plan.model_copy(update={"lines": tuple(lines), "open": still_open})


def summed(
    order: Order, placed: Order, lines: tuple[OrderLine, ...], shipping: tuple[ShippingCharge, ...]
) -> Order:
    """The order with these lines and charges, its totals worked out anew."""
    changed = order.model_copy(update={"lines": lines, "shipping": shipping})
    parts = [whole_of(order, part) for part in charged_in(changed)]
    tax = sum((part.tax for part in parts), _NOTHING)
    total = sum((part.gross for part in parts), _NOTHING)
    # An exchange may have made it dearer than it was.
    rate = Fraction(placed.presentment_total) / Fraction(placed.total) if placed.total else Fraction(1)
    presentment = round_money(Fraction(total) * rate, order.presentment_currency)
    return order.model_copy(
        update={
            "lines": lines,
            "shipping": shipping,
            "total_tax": tax,
            "total": total,
            "presentment_total": presentment,
        }
    )


def _not_open(reason: str) -> Rejected:
    return Rejected("storefront", "create fulfillment", reason, "not_open_to_ship")
