"""What the payments of an order ask for next: money that is awaited, to be taken now, or about to expire."""

from datetime import timedelta
from decimal import Decimal

from domain.capture import captured_of, live_authorizations, plan_captures, taken_presentment
from domain.exchanges import exchanged_lines, worth_to_come
from domain.mapping import Mapping
from domain.model import Amount, Frozen, Instant
from domain.order import Order, Payment, PaymentKind, PaymentStatus
from domain.payment_rules import CaptureRule, ExpiryRule, PaymentRules
from domain.refunds import refunded_presentment
from domain.return_rules import ExchangeRule

_NOTHING = Decimal(0)


class ExpiringAuthorization(Frozen):
    """An authorization whose money is not all taken and that expires."""

    gateway: str
    amount: Amount
    """What would be lost with it, in ``Order.presentment_currency``."""
    expires_at: Instant
    notice_at: Instant
    """From when on something has to be done about it."""
    rule: ExpiryRule


class PaymentOutlook(Frozen):
    """Worked out at each reading of the order, by the rules of its mapping."""

    unpaid: Amount = _NOTHING
    """What the buyer has neither paid nor promised and must before the goods may leave; in presentment currency."""
    unpaid_exchange: Amount = _NOTHING
    """The same of what they get in exchange, what comes back for it counted in."""
    capture_now: bool = False
    """Something is to be taken as soon as the ERP has the order."""
    expiring: tuple[ExpiringAuthorization, ...] = ()
    """Soonest first; one that has expired stays, as long as its money is missing."""


def look_ahead(
    order: Order,
    mapping: Mapping,
    at: Instant,
    *,
    captures: bool = True,
    fees: Decimal = _NOTHING,
    given_back: Decimal = _NOTHING,
) -> PaymentOutlook:
    """The outlook of an order; nothing for one that is canceled. ``captures``: the money is ours to capture.

    ``fees`` are what its returns held back, in ``Order.presentment_currency``: that money pays for nothing else.
    ``given_back``: see ``domain.capture.plan_captures``.
    """
    if order.canceled_at is not None:
        return PaymentOutlook()
    rules = mapping.payments
    on_terms = mapping.payment_terms(order.customer.company_id) is not None
    free = on_terms or rules.ship_unpaid
    return PaymentOutlook(
        unpaid=_NOTHING if on_terms else unpaid(order, rules, at),
        unpaid_exchange=_NOTHING if free else _of_exchange(order, mapping, at, fees),
        capture_now=captures and _is_due_at_order(order, rules, given_back),
        expiring=_expiring(order, rules, given_back) if captures else (),
    )


def refunded_by_hand(before: Order, now: Order) -> Decimal:
    """What somebody gave back with units that they took off the order between two readings; nothing where not sure.

    Only money that is just what the order came down by counts: what else goes back is goodwill, and stays the buyer's.
    """
    back = refunded_presentment(now) - refunded_presentment(before)
    return back if back > 0 and back == before.presentment_total - now.presentment_total else _NOTHING


def _of_exchange(order: Order, mapping: Mapping, at: Instant, fees: Decimal) -> Decimal:
    if not exchanged_lines(order):
        return _NOTHING
    rules = mapping.returns
    coming = worth_to_come(order) if rules.exchange_ships is ExchangeRule.AT_ONCE else _NOTHING
    due = order.presentment_total + fees - coming - _covered(order, mapping.payments, at)
    return due if due > rules.exchange_waives else _NOTHING


def unpaid(order: Order, rules: PaymentRules, at: Instant) -> Decimal:
    """What has to be paid or promised before the order may go to the ERP, in ``Order.presentment_currency``.

    What was paid, less refunds, counts, and what is authorized beyond ``at``; also what is awaited by a gateway that
    may ship unpaid.
    """
    if rules.ship_unpaid:
        return _NOTHING
    return max(_NOTHING, order.presentment_total - _covered(order, rules, at))


def _covered(order: Order, rules: PaymentRules, at: Instant) -> Decimal:
    """What is paid, or promised."""
    covered = taken_presentment(order) - _sum(order, PaymentKind.REFUND)
    promised = [p for p in live_authorizations(order) if p.expires_at is None or p.expires_at > at]
    covered += sum((p.presentment_amount - captured_of(order, p) for p in promised), _NOTHING)
    covered += sum(
        (
            p.presentment_amount
            for p in order.payments
            if p.status is PaymentStatus.PENDING
            and p.kind in {PaymentKind.SALE, PaymentKind.AUTHORIZATION}
            and rules.ships_unpaid(p.gateway)
        ),
        _NOTHING,
    )
    return covered


def _is_due_at_order(order: Order, rules: PaymentRules, given_back: Decimal) -> bool:
    at_order = {
        p.payment_id
        for p in live_authorizations(order)
        if rules.capture_of(p.gateway) is CaptureRule.AT_ORDER
    }
    steps = plan_captures(order, {}, rules, given_back=given_back) if at_order else ()
    return any(step.authorization_id in at_order for step in steps)


def _expiring(order: Order, rules: PaymentRules, given_back: Decimal) -> tuple[ExpiringAuthorization, ...]:
    missing = order.presentment_total - (taken_presentment(order) - given_back)
    found = []
    live = live_authorizations(order)
    for authorization in live:
        # What another one promises for longer is not lost with it: the buyer may have promised it anew.
        longer = sum((_left_of(order, other) for other in live if _outlasts(other, authorization)), _NOTHING)
        amount = min(missing - longer, _left_of(order, authorization))
        if authorization.expires_at is None or amount <= 0:
            continue
        found.append(
            ExpiringAuthorization(
                gateway=authorization.gateway,
                amount=amount,
                expires_at=authorization.expires_at,
                notice_at=authorization.expires_at - timedelta(hours=rules.expiry_notice_hours),
                rule=rules.on_expiry,
            )
        )
    return tuple(sorted(found, key=lambda expiring: expiring.expires_at))


def _left_of(order: Order, authorization: Payment) -> Decimal:
    """What can be taken of it, in ``Order.presentment_currency``."""
    return authorization.presentment_amount - captured_of(order, authorization)


def _outlasts(other: Payment, authorization: Payment) -> bool:
    if authorization.expires_at is None:
        return False
    return other.expires_at is None or other.expires_at > authorization.expires_at


def _sum(order: Order, kind: PaymentKind) -> Decimal:
    return sum(
        (
            p.presentment_amount
            for p in order.payments
            if p.kind is kind and p.status is PaymentStatus.SUCCESS
        ),
        _NOTHING,
    )
