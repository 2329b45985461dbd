"""Orders into a real Tryton: lost answers, races, splits, refusals that are mended, parties, to the cent."""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from adapters.errors import AdapterError, OutcomeUnknown, Rejected, Unavailable
from adapters.tryton.erp import TrytonErp
from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpShipmentState,
    SalesOrder,
    SalesParty,
)
from domain.order import Address, OrderKey
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.contract.tryton_world import (
    CENT,
    EAST,
    NEW_YORK,
    RATES,
    TWO_WAREHOUSES,
    WEST,
    ActsBefore,
    LosesAnswers,
    TrytonAccess,
    assert_entered,
    connect,
    contents,
    copy_as_draft,
    goods,
    half_up,
    order_of,
    two_warehouses,
)
from tests.contract.tryton_world import administrator as administrator  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import erp as erp  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import tryton_server as tryton_server  # noqa: PLC0414  a fixture

pytestmark = [pytest.mark.long, pytest.mark.tryton]


async def test_an_order_for_two_warehouses_is_entered_split_and_found(erp: TrytonErp, staff: Staff) -> None:
    order = two_warehouses()
    entered = await erp.submit_order(order)
    assert_entered(order, entered)
    assert contents(entered.shipments) == TWO_WAREHOUSES
    assert len(entered.shipments) == 2
    assert {s.state for s in entered.shipments} == {ErpShipmentState.WAITING}
    assert {(line.line_id, line.warehouse, line.quantity) for line in entered.lines} == {
        ("1", EAST, 3),
        ("1", WEST, 2),
        ("2", WEST, 2),
        ("delivery", None, 1),
    }
    assert await erp.find_order(order.key) == entered
    assert await erp.submit_order(order) == entered
    sale = await staff.read_sale(order.key.external_id)
    assert sale is not None
    assert (sale.total, sale.invoiced, len(sale.invoices)) == (order.total, order.total, 1)
    assert sale.taxes == {tax.code: tax.amount for tax in order.taxes}
    assert sale.ordered == {"TEE-BLK-S": 5, "KIT-STARTER": 2, "SHIPPING": 1}


async def test_no_order_is_found_where_there_is_none(erp: TrytonErp) -> None:
    assert await erp.find_order(OrderKey(channel="shop", external_id="never-placed")) is None


async def test_every_answer_may_be_lost_once(tryton_server: TrytonAccess, staff: Staff) -> None:
    order, transport = two_warehouses(), LosesAnswers()
    async with connect(tryton_server, transport=transport) as erp:
        entered = await until_done(erp, order)
        assert_entered(order, entered)
        assert contents(entered.shipments) == TWO_WAREHOUSES
        steps = ("create", "quote", "confirm", "draft", "execute", "write", "wait")
        assert all(any(method.endswith(step) for method in transport.lost) for step in steps), transport.lost
        assert await staff.count_sales(order.key.external_id, order.number) == 1
        sale = await staff.read_sale(order.key.external_id)
        assert sale is not None
        assert (sale.invoiced, len(sale.invoices)) == (order.total, 1)
        assert len([s for s in sale.shipments if s.state != "cancelled"]) == 2
        for _ in range(20):
            try:
                outcome = await erp.cancel_order(order.key, "lost answers")
                break
            except (OutcomeUnknown, Unavailable):
                continue
        assert outcome.canceled
        assert outcome.order.state is ErpOrderState.CANCELED


async def until_done(erp: TrytonErp, order: SalesOrder) -> ErpOrder:
    for _ in range(40):
        try:
            return await erp.submit_order(order)
        except (OutcomeUnknown, Unavailable):
            continue
    pytest.fail("the order never got through")


async def test_two_workers_that_submit_at_once_make_one_sale(
    tryton_server: TrytonAccess, staff: Staff
) -> None:
    order = two_warehouses()
    async with connect(tryton_server) as one, connect(tryton_server) as other:
        results = await asyncio.gather(
            one.submit_order(order), other.submit_order(order), return_exceptions=True
        )
        for result in results:
            # Who comes second may be told to look again, never to make a second sale.
            assert isinstance(result, ErpOrder | AdapterError), result
        entered = await one.submit_order(order)
    assert contents(entered.shipments) == TWO_WAREHOUSES
    assert await staff.count_sales(order.key.external_id, order.number) == 1
    sale = await staff.read_sale(order.key.external_id)
    assert sale is not None
    assert sale.invoiced == order.total


async def test_taxes_included_in_prices_come_out_to_the_cent(erp: TrytonErp, staff: Staff) -> None:
    chance = random.Random(20260302)
    lines = []
    for number in range(16):
        codes = chance.choice([("VAT-20",), ("STATE-6.25", "CITY-1.5"), ("CITY-1.5",), ()])
        gross = Decimal(chance.randint(1, 90_000)) * CENT
        whole = 1 + sum((RATES[code] for code in codes), Decimal(0))
        taxes = {code: half_up(gross * RATES[code] / whole) for code in codes}
        net = gross - sum(taxes.values(), Decimal(0))
        product = chance.choice(["STICKER", "PIN-SET", "MUG-LOGO"])
        lines.append(
            goods(str(number), product, EAST, chance.choice([1, 2, 3, 7, 12, 333, 4999]), net, taxes)
        )
    order = order_of(*lines)
    assert_entered(order, await erp.submit_order(order))
    sale = await staff.read_sale(order.key.external_id)
    assert sale is not None
    assert (sale.total, sale.invoiced) == (order.total, order.total)
    assert sale.taxes == {tax.code: tax.amount for tax in order.taxes if tax.amount}


async def test_a_confirmation_that_fails_inside_is_told_and_goes_on_once_mended(
    erp: TrytonErp, administrator: Rpc, staff: Staff
) -> None:
    (category,) = await administrator.find(
        "product.category", [["name", "=", "Sales"], ["accounting", "=", True]], ["account_revenue"]
    )
    order = two_warehouses()
    await administrator.call("product.category", "write", [category["id"]], {"account_revenue": None})
    try:
        # Tryton confirms, answers as if all were well, and cannot process: there is no account to book on.
        with pytest.raises(Rejected, match="Account Revenue"):
            await erp.submit_order(order)
        left = await erp.find_order(order.key)
        assert left is not None
        assert left.state is ErpOrderState.DRAFT
        # A changed order replaces what was left, and is refused for the same reason.
        changed = order.model_copy(update={"instructions": "second thoughts"})
        with pytest.raises(Rejected, match="Account Revenue"):
            await erp.submit_order(changed)
    finally:
        account = {"account_revenue": category["account_revenue"]}
        await administrator.call("product.category", "write", [category["id"]], account)
    assert_entered(order, await erp.submit_order(order))
    assert await staff.count_sales(order.key.external_id, order.number) == 1


async def test_what_the_erp_lacks_is_named_and_found_once_it_is_there(erp: TrytonErp, staff: Staff) -> None:
    order = order_of(goods("1", "GLOVE-LTH", EAST, 1, "67.10"))
    await staff.archive_product("GLOVE-LTH")
    try:
        with pytest.raises(Rejected, match="GLOVE-LTH") as caught:
            await erp.submit_order(order)
        assert caught.value.cause == "product_unknown:tryton:GLOVE-LTH"
        assert await erp.find_order(order.key) is None
    finally:
        await staff.restore_product("GLOVE-LTH")
    assert_entered(order, await erp.submit_order(order))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"carrier": "PIGEON"}, "carrier_unknown:tryton:PIGEON"),
        ({"price_list": "Friends"}, "price_list_unknown:tryton:Friends"),
        (
            {"party": SalesParty(code="C-NOBODY", reference="x", name="Nobody")},
            "party_unknown:tryton:C-NOBODY",
        ),
        ({"currency": "EUR"}, "currency_differs:tryton:EUR"),
        ({"key": OrderKey(channel="elsewhere", external_id="1")}, "shop_unknown:tryton:elsewhere"),
        ({"shipping_address": NEW_YORK.model_copy(update={"country": "ZZ"})}, "country_unknown:tryton:ZZ"),
        ({"lines": (goods("1", "STICKER", "WH-NORTH", 1, "1.00"),)}, "warehouse_unknown:tryton:WH-NORTH"),
    ],
)
async def test_every_unknown_has_its_cause(erp: TrytonErp, changes: dict[str, Any], cause: str) -> None:
    order = order_of(goods("1", "STICKER", EAST, 1, "1.00")).model_copy(update=changes)
    with pytest.raises(Rejected) as caught:
        await erp.submit_order(order)
    assert caught.value.cause == cause


async def test_amounts_that_the_erp_computes_otherwise_are_refused_and_leave_nothing(
    erp: TrytonErp, administrator: Rpc, staff: Staff
) -> None:
    # Rounded per document three lines of 0.333 cents of tax come to one cent, per line to none.
    lines = [goods(str(n), "STICKER", EAST, 1, "0.22", {"CITY-1.5": Decimal("0.00")}) for n in range(3)]
    order = order_of(*lines)
    await administrator.call("account.configuration", "write", [1], {"tax_rounding": "document"})
    try:
        with pytest.raises(Rejected, match=r"total: the store says 0.66, the ERP says 0.67") as caught:
            await erp.submit_order(order)
        assert caught.value.cause == "amounts_differ"
        assert await staff.count_sales(order.key.external_id, order.number) == 0
        probe = await erp.probe()
        assert not probe.ok
        assert "per line" in probe.detail
    finally:
        await administrator.call("account.configuration", "write", [1], {"tax_rounding": "line"})
    assert_entered(order, await erp.submit_order(order))


async def test_what_is_out_of_stock_is_backordered_or_refused_as_set(
    tryton_server: TrytonAccess, erp: TrytonErp, staff: Staff
) -> None:
    order = order_of(
        goods("1", "SCARF-WOOL", EAST, 50_000, "50000.00"), goods("2", "CAP-GRN", EAST, 50_000, "50000.00")
    )
    async with connect(tryton_server, backorder=False) as strict:
        with pytest.raises(Rejected) as caught:
            await strict.submit_order(order)
        assert caught.value.cause == "out_of_stock"
    entered = await erp.submit_order(order)
    assert_entered(order, entered)
    (job,) = await staff.shipments_to_do([order.key.external_id])
    assert await staff.ship(job, part=False) is None
    assert (await erp.cancel_order(order.key, "no stock")).canceled


async def test_a_shipment_reserved_before_it_could_be_split_is_split_all_the_same(
    tryton_server: TrytonAccess, administrator: Rpc
) -> None:
    order = two_warehouses()

    async def reserve() -> None:
        (sale,) = await administrator.find(
            "sale.sale", [["web_id", "=", order.key.external_id]], ["shipments"]
        )
        await administrator.press("stock.shipment.out", "assign_try", sale["shipments"])

    async with connect(
        tryton_server, transport=ActsBefore("model.stock.shipment.out.draft", reserve)
    ) as quick:
        entered = await quick.submit_order(order)
    assert contents(entered.shipments) == TWO_WAREHOUSES
    assert {s.state for s in entered.shipments} == {ErpShipmentState.WAITING}


async def test_a_draft_of_another_content_is_replaced(
    erp: TrytonErp, administrator: Rpc, staff: Staff
) -> None:
    entered = await erp.submit_order(order_of(goods("1", "PIN-SET", EAST, 2, "9.98", ("VAT-20",))))
    draft = await copy_as_draft(administrator, int(entered.erp_id))
    order = two_warehouses().model_copy(update={"key": OrderKey(channel="shop", external_id=draft)})
    assert_entered(order, await erp.submit_order(order))
    assert await staff.count_sales(draft) == 1


async def test_an_accepted_sale_of_other_amounts_is_never_taken_for_the_order(erp: TrytonErp) -> None:
    order = order_of(goods("1", "PIN-SET", EAST, 2, "9.98"))
    await erp.submit_order(order)
    other = order_of(goods("1", "PIN-SET", EAST, 3, "14.97"), key=order.key)
    with pytest.raises(Rejected, match=r"the store says 14.97, the ERP says 9.98") as caught:
        await erp.submit_order(other)
    assert caught.value.cause == "amounts_differ"


async def test_a_buyer_is_one_party_and_an_address_is_kept_once(erp: TrytonErp, administrator: Rpc) -> None:
    buyer = SalesParty(reference=f"customer-{uuid4().hex[:8]}", name="山田 太郎", email="not an address")
    tokyo = Address(
        name="山田 太郎",
        street=("千代田1-1",),
        city="千代田区",
        postal_code="100-0001",
        state="JP-13",
        country="JP",
        phone="03-1",
    )
    company = NEW_YORK.model_copy(update={"company": "Byron & Co"})
    line = goods("1", "STICKER", EAST, 1, "0.99")
    await erp.submit_order(order_of(line, party=buyer, shipping_address=tokyo, billing_address=NEW_YORK))
    await erp.submit_order(order_of(line, party=buyer, shipping_address=tokyo))
    await erp.submit_order(order_of(line, party=buyer, shipping_address=company, billing_address=tokyo))
    fields = [
        "name",
        *(f"addresses.{name}" for name in ("party_name", "attn", "street", "city", "subdivision.code")),
    ]
    (party,) = await administrator.find("party.party", [["code", "=", f"shop-{buyer.reference}"]], fields)
    assert party["name"] == "山田 太郎"
    addresses = {
        (a["party_name"], a["attn"], a["street"], a["city"]): a["subdivision."] for a in party["addresses."]
    }
    assert len(party["addresses."]) == len(addresses) == 3
    # Tryton's list has no prefecture of Japan here, so it stays readable beside the city.
    assert addresses["山田 太郎", None, "千代田1-1", "千代田区, JP-13"] is None
    assert addresses["Ada Byron", None, "1 Main St\nFlat 2", "New York"]["code"] == "US-NY"
    assert addresses["Byron & Co", "Ada Byron", "1 Main St\nFlat 2", "New York"]["code"] == "US-NY"


async def test_a_company_is_its_own_party_with_its_price_list(erp: TrytonErp, administrator: Rpc) -> None:
    buyer = SalesParty(code="C-WHOLESALE", reference="company-301", name="Wholesale Inc")
    order = order_of(
        goods("1", "BAG-PACK", WEST, 10, "1071.00", ("VAT-20",)),
        party=buyer,
        price_list="B2B 10% off",
        shipping_address=None,
    )
    entered = await erp.submit_order(order)
    assert_entered(order, entered)
    assert contents(entered.shipments) == Counter({(WEST, "1", 10): 1})
    fields = ["party.code", "price_list.name", "payment_term.name", "reference", "comment"]
    (sale,) = await administrator.read("sale.sale", [int(entered.erp_id)], fields)
    assert sale["party."]["code"] == "C-WHOLESALE"
    assert sale["price_list."]["name"] == "B2B 10% off"
    assert sale["payment_term."]["name"]
    assert sale["reference"] == order.number
    assert "Card" in sale["comment"]


async def test_the_probe_tells_what_is_wrong(tryton_server: TrytonAccess) -> None:
    async with connect(tryton_server) as erp:
        assert (await erp.probe()).ok
    async with connect(tryton_server, channels=("shop", "outlet")) as erp:
        missing = await erp.probe()
    assert not missing.ok
    assert "outlet" in missing.detail
    assert "outlet" in missing.remedy
    wrong = tryton_server._replace(password="guess")
    async with connect(wrong) as erp:
        refused = await erp.probe()
    assert not refused.ok
    assert "refuses the login" in refused.detail
    async with connect(tryton_server._replace(url="http://127.0.0.1:1")) as erp:
        away = await erp.probe()
    assert not away.ok
    assert "cannot be reached" in away.detail


async def test_a_session_that_the_server_forgot_is_renewed(erp: TrytonErp, administrator: Rpc) -> None:
    order = order_of(goods("1", "STICKER", EAST, 1, "0.99"))
    await erp.probe()
    (user,) = await administrator.find("res.user", [["login", "=", "orderwright"]], ["login"])
    # A new password ends every session of the user.
    await administrator.call("res.user", "write", [user["id"]], {"password": "sandbox-orderwright"})
    assert_entered(order, await erp.submit_order(order))
