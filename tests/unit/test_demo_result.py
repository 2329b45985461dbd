"""What the demo concludes from what it read back, and says as JSON."""

import json
from decimal import Decimal

import pytest

from sandbox.audit import Audited, ErpSide, StoreSide, compare
from sandbox.billable import Cost
from sandbox.demo import conclude


def audited(*, erp_total: str = "20.00", sales: int = 1) -> Audited:
    total, erp = Decimal("20.00"), Decimal(erp_total)
    store = StoreSide(
        external_id="1",
        number="#1001",
        total=total,
        taxes={},
        captured=total,
        presentment_total=total,
        presentment_captured=total,
        units=2,
        fulfilled=2,
        fulfillments=2,
        currency="USD",
    )
    books = ErpSide(
        count=sales,
        number="S1",
        total=erp,
        taxes={},
        shipments=2,
        invoices=1,
        invoiced=total,
        currency="USD",
    )
    return compare("plain", store, books, Cost(actions=10, events=45, payload_bytes=13_000))


def test_the_answer_holds_the_sum_and_every_order() -> None:
    result = conclude([audited(), audited()], test_order_ignored=True, seconds=70)
    told = json.loads(result.model_dump_json())
    assert (told["held"], told["balanced"], told["duplicates"], told["unexplained"]) == (True, 2, 0, 0)
    (first, _) = told["orders"]
    assert (first["store"]["number"], first["store"]["total"], first["erp"]["number"]) == (
        "#1001",
        "20.00",
        "S1",
    )
    assert (first["balanced"], first["cost"]["events"]) == (True, 45)


@pytest.mark.parametrize(
    ("row", "ignored"),
    [(audited(erp_total="19.99"), True), (audited(sales=2), True), (audited(), False)],
    ids=["unbalanced", "twice", "the test order was carried"],
)
def test_one_thing_wrong_is_enough_to_fail(row: Audited, ignored: bool) -> None:
    assert not conclude([audited(), row], test_order_ignored=ignored, seconds=70).held
