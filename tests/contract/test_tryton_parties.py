"""Buyers whom the people of a real Tryton merge with others, or deactivate."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from adapters.errors import Rejected
from adapters.tryton.erp import TrytonErp
from domain.erp_order import SalesLine, SalesOrder, SalesParty
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.contract.test_tryton_returns import announce, back, credit
from tests.contract.tryton_world import EAST, NEW_YORK, assert_entered, goods, order_of
from tests.contract.tryton_world import administrator as administrator  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import erp as erp  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import tryton_server as tryton_server  # noqa: PLC0414  a fixture

pytestmark = [pytest.mark.long, pytest.mark.tryton]

EVERYBODY = [["active", "in", [True, False]]]
_SALE = ["party.code", "invoice_address.party.code", "invoice_address.active", "shipment_address.active"]


def somebody(name: str = "Ada Byron") -> SalesParty:
    return SalesParty(reference=f"customer-{uuid4().hex[:8]}", name=name)


def code_of(buyer: SalesParty) -> str:
    return f"shop-{buyer.reference}"


def stickers(units: int, line_id: str = "1") -> SalesLine:
    return goods(line_id, "STICKER", EAST, units, Decimal(units))


def order_by(buyer: SalesParty, *lines: SalesLine, **changes: Any) -> SalesOrder:
    return order_of(*(lines or [stickers(2)]), party=buyer, **changes)


def edited(order: SalesOrder, *lines: SalesLine) -> SalesOrder:
    return order_of(*lines, party=order.party, key=order.key, number=order.number)


async def sales_of(administrator: Rpc, order: SalesOrder) -> list[dict[str, Any]]:
    """The order's sale and those beside it."""
    domain = [["web_id", "like", f"{order.key.external_id}%"]]
    return await administrator.find("sale.sale", domain, _SALE)


async def codes(administrator: Rpc, buyers: Sequence[SalesParty]) -> list[str]:
    """The codes of all parties of these names, whether they are active or not."""
    domain = [*EVERYBODY, ["name", "in", [buyer.name for buyer in buyers]]]
    return sorted(each["code"] for each in await administrator.find("party.party", domain, ["code"]))


async def test_a_buyer_who_was_merged_is_whoever_replaced_them(
    erp: TrytonErp, administrator: Rpc, staff: Staff
) -> None:
    first, second, third = buyers = [somebody(f"Ada {uuid4().hex[:8]}") for _ in range(3)]
    before = order_by(first)
    held = await erp.submit_order(before)
    for other in (second, third):
        await erp.submit_order(order_by(other))
    # The one who replaces is replaced as well, later.
    await staff.replace_party(code_of(first), code_of(second))
    await staff.replace_party(code_of(second), code_of(third))
    assert await erp.find_order(before.key) == held
    assert (await erp.amend_order(before)).order == held, "nothing was edited"

    after = order_by(first, billing_address=NEW_YORK.model_copy(update={"city": "Albany"}))
    assert_entered(after, await erp.submit_order(after))
    target = edited(before, stickers(5))
    outcome = await erp.amend_order(target)
    assert outcome.refused == ()
    assert_entered(target, outcome.order)
    for order in (after, target):
        (sale,) = await sales_of(administrator, order)
        assert sale["party."]["code"] == sale["invoice_address."]["party."]["code"] == code_of(third)
        assert sale["invoice_address."]["active"]
        assert sale["shipment_address."]["active"]
    assert await codes(administrator, buyers) == sorted(map(code_of, buyers))


async def test_what_is_on_its_way_to_a_merged_buyer_takes_edits_and_returns(
    erp: TrytonErp, administrator: Rpc, staff: Staff
) -> None:
    buyer, other = somebody(), somebody()
    order = order_by(buyer, stickers(2))
    picked = order_by(buyer, stickers(2))
    for each in (order, picked, order_by(other)):
        await erp.submit_order(each)
    (job,) = await staff.shipments_to_do([order.key.external_id])
    await staff.ship(job, part=True)
    (job,) = await staff.shipments_to_do([picked.key.external_id])
    await administrator.press("stock.shipment.out", "assign_try", [job.shipment_id])
    await administrator.press("stock.shipment.out", "pick", [job.shipment_id])
    await staff.replace_party(code_of(buyer), code_of(other))

    for each in (order, picked):
        target = edited(each, stickers(2), stickers(3, "2"))
        outcome = await erp.amend_order(target)
        assert outcome.refused == ()
        own, added = await sales_of(administrator, each)
        # The goods go where they went: nobody moved.
        assert not own["shipment_address."]["active"]
        assert added["shipment_address."]["active"]
        assert own["party."]["code"] == added["party."]["code"] == code_of(other)
        assert (await erp.amend_order(target)).order == outcome.order
    for job in await staff.shipments_to_do([order.key.external_id]):
        await staff.ship(job, part=False)
    await erp.authorize_return(announce(order, line_1=1))
    credited = await erp.credit_return(credit(order, back("1", "STICKER", 1, "1.00")))
    assert [each.total for each in credited.returns] == [Decimal("1.00")]


@pytest.mark.parametrize("company", [False, True])
async def test_a_buyer_who_was_deactivated_is_told_and_goes_on_once_active_again(
    erp: TrytonErp, administrator: Rpc, staff: Staff, *, company: bool
) -> None:
    buyer = somebody(f"Ada {uuid4().hex[:8]}")
    before = order_by(buyer)
    await erp.submit_order(before)
    code = code_of(buyer)
    after = order_by(buyer.model_copy(update={"code": code}) if company else buyer)
    target = edited(before, stickers(3))
    if company:
        target = target.model_copy(update={"party": after.party})
    await staff.archive_party(code)
    for attempt in (lambda: erp.submit_order(after), lambda: erp.amend_order(target)):
        with pytest.raises(Rejected, match=rf"party {code} is not active .*; activate it again") as caught:
            await attempt()
        assert caught.value.cause == f"party_inactive:tryton:{code}"
    assert await erp.find_order(after.key) is None
    await staff.restore_party(code)
    assert_entered(after, await erp.submit_order(after))
    assert_entered(target, (await erp.amend_order(target)).order)
    assert await codes(administrator, [buyer]) == [code]


async def test_whoever_replaced_a_buyer_is_named_where_they_are_deactivated_in_turn(
    erp: TrytonErp, staff: Staff
) -> None:
    buyer, other = somebody(), somebody()
    for each in (buyer, other):
        await erp.submit_order(order_by(each))
    await staff.replace_party(code_of(buyer), code_of(other))
    await staff.archive_party(code_of(other))
    with pytest.raises(Rejected, match=f"party {code_of(other)}, .*replaced {code_of(buyer)}") as caught:
        await erp.submit_order(order_by(buyer))
    assert caught.value.cause == f"party_inactive:tryton:{code_of(other)}"


async def test_an_address_that_was_deactivated_is_given_to_no_new_order(
    erp: TrytonErp, administrator: Rpc
) -> None:
    buyer = somebody()
    await erp.submit_order(order_by(buyer))
    owned = [["party.code", "=", code_of(buyer)]]
    (retired,) = await administrator.find("party.address", owned, ["id"])
    await administrator.call("party.address", "write", [retired["id"]], {"active": False})
    for _ in range(2):
        order = order_by(buyer)
        await erp.submit_order(order)
        (sale,) = await sales_of(administrator, order)
        assert sale["shipment_address."]["active"]
    assert len(await administrator.find("party.address", [*owned, *EVERYBODY], ["id"])) == 2
