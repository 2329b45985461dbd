"""What lives begin with: an order and how far it has come, and the rules of its shop."""

from decimal import Decimal
from typing import NamedTuple

from hypothesis import strategies as st

from domain.mapping import Mapping
from domain.order import Order, PaymentKind
from domain.payment_rules import CaptureRule
from domain.return_rules import ApprovalRule, InspectionRule, ReturnRules
from tests.order_builder import LOCATIONS, sandbox_mapping
from tests.order_strategy import orders

RULES = {
    "each": CaptureRule.EACH_SHIPMENT,
    "first": CaptureRule.AT_FIRST_SHIPMENT,
    "order": CaptureRule.AT_ORDER,
}
RETURN_RULES = {
    "at once": ReturnRules(),
    "open": ReturnRules(window_days=100, refund_shipping=True),
    "with a fee": ReturnRules(
        window_days=60, inspection=InspectionRule.ASK, fee_percent=Decimal(15), fee_product="FEE"
    ),
    "asked for": ReturnRules(approval=ApprovalRule.ASK, warehouse="WH-EAST", refund_shipping=True),
    "looked at": ReturnRules(
        window_days=30,
        approval=ApprovalRule.ASK,
        inspection=InspectionRule.ASK,
        reminder_days=3,
        expire_days=9,
    ),
}
ORDERS = orders(locations=LOCATIONS, max_lines=3)
ENOUGH = 6
"""Units: more than leave in the parcels that an order begins with."""
GOODS = ORDERS.filter(
    lambda order: order.total and any(x.current and x.requires_shipping for x in order.lines)
)
"""Such as ask for parcels and money."""
MANY_UNITS = GOODS.filter(
    lambda order: (
        sum(x.current for x in order.lines if x.requires_shipping and x.unit_price) >= ENOUGH
        and any(p.kind is PaymentKind.AUTHORIZATION for p in order.payments)
    )
)
"""Such as may leave in many parcels, whose money is taken with each."""


class Beginning(NamedTuple):
    """``done``: what has become of the order already; ``rule``: when its money is taken, of ``RULES``.

    ``returned``: some parcels left, a unit of them came back, another left.
    """

    order: Order
    done: str
    rule: str


_ANY = st.builds(
    Beginning,
    st.one_of(GOODS, GOODS, ORDERS),
    st.sampled_from(("placed", "entered", "entered", "parcels", "delivered", "delivered")),
    st.sampled_from(sorted(RULES)),
)
# Money that is taken parcel by parcel goes wrong while some is left to take: the last parcel takes what is there.
_IN_PARCELS = st.builds(Beginning, MANY_UNITS, st.sampled_from(("parcels", "returned")), st.just("each"))
BEGINNINGS = st.one_of(_ANY, _ANY, _IN_PARCELS)


def mapping_with(rule: str, returns: ReturnRules) -> Mapping:
    """The sandbox's mapping that takes money, and goods back, by these rules."""
    mapping = sandbox_mapping()
    payments = mapping.payments.model_copy(update={"capture": RULES[rule]})
    return mapping.model_copy(update={"payments": payments, "returns": returns})


def asked_by(rules: ReturnRules) -> set[str]:
    """Families of causes that returns stop at where a person is to decide."""
    asked = {"return_requested"} if rules.approval is ApprovalRule.ASK else set()
    return asked | ({"return_inspection"} if rules.inspection is InspectionRule.ASK else set())


def limited(order: Order, units: int | None) -> dict[tuple[str, str], int]:
    """So many units of each product at each warehouse; None: they never run out."""
    if units is None:
        return {}
    return {(w, line.sku or ""): units for line in order.lines for w in ("WH-EAST", "WH-WEST")}
