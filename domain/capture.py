"""How much money may be taken, and when: by the mapping's rules, and never more than the order comes to.

Amounts to capture are cumulative per authorization ("capture up to"): said twice, they take nothing twice.
"""

from collections.abc import Mapping as MappingOf
from decimal import Decimal

from domain.model import Amount, Frozen, Instant
from domain.money import proportion
from domain.order import Order, Payment, PaymentKind, PaymentStatus
from domain.payment_rules import CaptureRule, PaymentRules
from domain.quantities import QuantitiesBroken, units_returned
from domain.tax_allocation import duties_of_units, part_of_line, whole_of

_NOTHING = Decimal(0)
_SOONEST_FIRST = (CaptureRule.AT_ORDER, CaptureRule.AT_FIRST_SHIPMENT, CaptureRule.EACH_SHIPMENT)


class CaptureStep(Frozen):
    """Bring what is captured on an authorization up to an amount, in ``Order.presentment_currency``."""

    authorization_id: str
    capture_up_to: Amount


def delivered_value(order: Order, delivered: MappingOf[str, int]) -> Decimal:
    """What the delivered units (line -> units) are worth, tax included, in ``Order.currency``.

    A line is worth its cumulative share with its duties, so that any sequence of parcels ends at ``order.total``.
    Delivery and fees, and lines that need no shipping (a tip, say), are delivered with the first unit that leaves.
    Units that came back and were refunded are worth nothing, whatever is still to leave of their line.

    Raises QuantitiesBroken where a line is not on the order.
    """
    for unknown in sorted(delivered.keys() - {line.line_id for line in order.lines}):
        raise QuantitiesBroken(unknown, f"was delivered but is not on order {order.key}")
    back = units_returned(order)
    parcel_left = any(delivered.get(line.line_id, 0) for line in order.lines if line.requires_shipping)
    units = {
        line.line_id: line.current
        if parcel_left and not line.requires_shipping
        else min(max(delivered.get(line.line_id, 0) - back.get(line.line_id, 0), 0), line.current)
        for line in order.lines
    }
    if all(units[line.line_id] == line.current for line in order.lines):
        # By its lines the same, but for a difference that a person accepted.
        return order.total
    value = _NOTHING
    for line in order.lines:
        value += part_of_line(order, line, 0, units[line.line_id]).gross
        duties = duties_of_units(line, units[line.line_id], order.currency)
        value += sum((whole_of(order, duty).gross for duty in duties), _NOTHING)
    if any(delivered.values()):
        value += sum((whole_of(order, charge).gross for charge in order.shipping), _NOTHING)
        value += sum((whole_of(order, fee).gross for fee in order.fees), _NOTHING)
    return value


def delivered_presentment(order: Order, delivered: MappingOf[str, int]) -> Decimal:
    """``delivered_value`` as the buyer pays it: in proportion, exactly ``presentment_total`` at the end."""
    value = delivered_value(order, delivered)
    if value >= order.total:
        return order.presentment_total
    return proportion(order.presentment_total, value, order.total, order.presentment_currency)


def plan_captures(
    order: Order,
    delivered: MappingOf[str, int],
    rules: PaymentRules = PaymentRules(),  # noqa: B008  frozen
    at: Instant | None = None,
    given_back: Decimal = _NOTHING,
) -> tuple[CaptureStep, ...]:
    """The captures that bring the money taken up to what the rules let be taken by now; none where nothing is missing.

    Sales (a gift card, a payment taken at once) count first. The rest is spread over the authorizations on top of
    what each has captured, never above what it allows: those that are taken sooner by rule first, so that a parcel
    takes no money twice, and what expired before ``at`` last, then in their order. Money that was refunded is not
    taken again, but for ``given_back``: what went back (with what returns kept as fees) for units that the order's
    value does not hold any more. Goodwill is none of it.
    """
    value = delivered_presentment(order, delivered)
    has_left = any(delivered.values())
    taken = taken_presentment(order) - given_back
    steps = []

    def turn(authorization: Payment) -> tuple[bool, int]:
        over = at is not None and authorization.expires_at is not None and authorization.expires_at <= at
        return over, _SOONEST_FIRST.index(rules.capture_of(authorization.gateway))

    for authorization in sorted(live_authorizations(order), key=turn):
        rule = rules.capture_of(authorization.gateway)
        whole = rule is CaptureRule.AT_ORDER or (rule is CaptureRule.AT_FIRST_SHIPMENT and has_left)
        captured = captured_of(order, authorization)
        missing = (order.presentment_total if whole else value) - taken
        more = min(missing, authorization.presentment_amount - captured)
        if more > 0:
            steps.append(
                CaptureStep(authorization_id=authorization.payment_id, capture_up_to=captured + more)
            )
            taken += more
    return tuple(steps)


def live_authorizations(order: Order) -> tuple[Payment, ...]:
    """Authorizations that money can be taken from, or was: those that came about and were not voided."""
    settled = [p for p in order.payments if p.status is PaymentStatus.SUCCESS]
    voided = {p.parent_id for p in settled if p.kind is PaymentKind.VOID}
    return tuple(p for p in settled if p.kind is PaymentKind.AUTHORIZATION and p.payment_id not in voided)


def captured_of(order: Order, authorization: Payment) -> Decimal:
    """What is captured of an authorization, in ``Order.presentment_currency``."""
    return _presentment([p for p in _captures(order) if p.parent_id == authorization.payment_id])


def taken_presentment(order: Order) -> Decimal:
    """All money taken so far, refunds not deducted, in ``Order.presentment_currency``."""
    sales = [p for p in order.payments if p.kind is PaymentKind.SALE and p.status is PaymentStatus.SUCCESS]
    return _presentment([*sales, *_captures(order)])


def _captures(order: Order) -> list[Payment]:
    """A capture still on its way counts as taken: asking for it again could take it twice."""
    return [
        p for p in order.payments if p.kind is PaymentKind.CAPTURE and p.status is not PaymentStatus.FAILED
    ]


def _presentment(payments: list[Payment]) -> Decimal:
    return sum((p.presentment_amount for p in payments), _NOTHING)
