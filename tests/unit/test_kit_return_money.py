"""Parts of kits that come back of any order: both sides stay balanced to the cent after each, in every currency."""

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.giving_back import after_refund, quote
from adapters.memory.returning import credited
from adapters.requests import RefundLine, RefundQuote, RefundRequest
from domain.balance import check_closing
from domain.erp_order import ErpOrder, KitPart
from domain.kit_returns import gross_of, in_pieces, kept_before, take_in
from domain.mapping import Mapping
from domain.order import Order
from domain.refunds import KitsBack, credit_for, money_back
from domain.returns import ReturnCredit
from tests.order_strategy import orders, wide_mapping
from tests.unit.test_refund_rules import FEE, delivered

PARTS = (
    KitPart(product="TEE", quantity=1, share=Decimal("0.6104")),
    KitPart(product="SOCK", quantity=2, share=Decimal("0.1948")),
)
NOTHING = RefundQuote(parts=(), total=Decimal(0), presentment_total=Decimal(0))


def give_back(
    order: Order, placed: Order, erp: ErpOrder, pieces: dict[str, int], mapping: Mapping
) -> tuple[Order, ErpOrder]:
    """One return, as the activities do it; both sides after it."""
    before = kept_before(erp.returns)
    came = take_in(pieces, erp.kits, before)
    number = len(erp.returns) + 1
    request = RefundRequest(
        key=order.key,
        refund_key=str(number),
        lines=tuple(RefundLine(line_id=line, quantity=n) for line, n in came.units.items()),
    )
    quoted = quote(order, placed, request) if came.units else NOTHING
    credit = credit_for(order, quoted.parts, mapping, back=KitsBack(came, erp.kits, before))
    money = money_back(order, erp, quoted.presentment_total, credit.fee)
    ids = iter(range(1, 10_000))
    refund = request.model_copy(update={"money": money})
    after = after_refund(order, placed, refund, lambda: f"r{number}-{next(ids)}")
    note = ReturnCredit(
        key=order.key,
        return_id=str(number),
        number=f"R{number}",
        lines=credit.lines,
        total=credit.total,
        taxes=credit.taxes,
    )
    held = credited(erp, note).model_copy(update={"invoices": ()})
    assert held.returns[-1].fee == credit.fee
    return after, held


@given(orders(), st.booleans(), st.lists(st.lists(st.integers(0, 4), min_size=8, max_size=8), max_size=4))
def test_any_parts_of_kits_may_come_back_in_any_sequence(placed, with_fee, parcels):
    mapping = wide_mapping().model_copy(update={"returns": FEE} if with_fee else {})
    order, erp = delivered(placed)
    kits = {line.line_id: PARTS for line in order.lines if line.requires_shipping and line.current}
    erp = erp.model_copy(update={"kits": kits})
    left = in_pieces({line.line_id: line.current for line in order.lines if line.line_id in kits}, kits)
    for parcel in [*parcels, [99] * 8]:
        names = sorted(left)
        came = {name: min(left[name], n) for name, n in zip(names, parcel * len(names), strict=False)}
        order, erp = give_back(order, placed, erp, came, mapping)
        left -= Counter(came)
        report = check_closing(order, erp, mapping)
        assert report.balanced, report.differences
    assert not left
    assert gross_of(kept_before(erp.returns)) == 0
