"""What is Tryton's own about the ERP adapter, on a real Tryton: lost answers, splits, kits, refusals, cancels, feed."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapters.errors import AdapterError, OutcomeUnknown, Rejected, Unavailable
from adapters.tryton.erp import TrytonErp
from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    SalesLine,
    SalesLineKind,
    SalesOrder,
    SalesParty,
    SalesPayment,
    TaxAmount,
)
from domain.order import Address, OrderKey
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.tryton_fixture import TrytonAccess

pytestmark = pytest.mark.tryton

CENT = Decimal("0.01")
RATES = {"STATE-6.25": Decimal("0.0625"), "CITY-1.5": Decimal("0.015"), "VAT-20": Decimal("0.20")}
EAST, WEST = "WH-EAST", "WH-WEST"


def goods(  # noqa: PLR0917  a table row
    line_id: str,
    product: str,
    warehouse: str,
    quantity: int,
    net: str | Decimal,
    taxes: dict[str, Decimal] | tuple[str, ...] = (),
) -> SalesLine:
    """A line; taxes named by code alone get the store's own rounding."""
    amount = Decimal(net)
    if not isinstance(taxes, dict):
        taxes = {code: half_up(amount * RATES[code]) for code in taxes}
    return SalesLine(
        line_id=line_id,
        kind=SalesLineKind.GOODS,
        product=product,
        warehouse=warehouse,
        quantity=quantity,
        net=amount,
        taxes=tuple(TaxAmount(code=code, amount=tax) for code, tax in taxes.items()),
    )


def delivery(net: str, *codes: str) -> SalesLine:
    line = goods("delivery", "SHIPPING", EAST, 1, net, codes)
    return line.model_copy(update={"kind": SalesLineKind.SHIPPING, "warehouse": None})


def half_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


NEW_YORK = Address(
    name="Ada Byron",
    street=("1 Main St", "Flat 2"),
    city="New York",
    postal_code="10001",
    state="NY",
    country="US",
)


def order_of(*lines: SalesLine, **changes: Any) -> SalesOrder:
    taxes: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        for tax in line.taxes:
            taxes[tax.code] += tax.amount
    total = sum((line.net for line in lines), Decimal(0)) + sum(taxes.values(), Decimal(0))
    number = uuid4().hex[:10]
    values: dict[str, Any] = {
        "key": OrderKey(channel="shop", external_id=number),
        "number": f"#{number}",
        "mapping_version": "abc",
        "placed_at": datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        "currency": "USD",
        "party": SalesParty(reference=f"customer-{number}", name="Ada Byron", email="ada@example.com"),
        "billing_address": None,
        "shipping_address": NEW_YORK,
        "carrier": "UPS",
        "lines": lines,
        "payments": (SalesPayment(method="Card", amount=total),),
        "total": total,
        "taxes": tuple(TaxAmount(code=code, amount=amount) for code, amount in taxes.items()),
    }
    return SalesOrder(**{**values, **changes})


def two_warehouses() -> SalesOrder:
    """One storefront line from two warehouses, a kit, two taxes and delivery."""
    return order_of(
        goods("1", "TEE-BLK-S", EAST, 3, "59.70", ("STATE-6.25", "CITY-1.5")),
        goods("1", "TEE-BLK-S", WEST, 2, "39.80", ("STATE-6.25", "CITY-1.5")),
        goods("2", "KIT-STARTER", WEST, 2, "59.81", ("VAT-20",)),
        delivery("5.05", "STATE-6.25"),
    )


def contents(shipments: tuple[ErpShipment, ...]) -> Counter[tuple[str, str, int]]:
    return Counter((s.warehouse, line.line_id, line.quantity) for s in shipments for line in s.lines)


TWO_WAREHOUSES = Counter({(EAST, "1", 3): 1, (WEST, "1", 2): 1, (WEST, "2", 2): 1})


class LosesAnswers(httpx.AsyncBaseTransport):
    """Makes every call, and loses the answer of the first call of each method (and wizard step)."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._lost: set[str] = set()
        self.lost: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        response = await self._inner.handle_async_request(request)
        method = body["method"]
        if method not in self._lost and not method.startswith(("common.", "model.res.user.")):
            await response.aread()
            self._lost.add(method)
            self.lost.append(method)
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def connect(access: TrytonAccess, **options: Any) -> AsyncIterator[TrytonErp]:
    erp = TrytonErp(
        access.url, access.database, access.login, access.password, **{"channels": ("shop",), **options}
    )
    try:
        yield erp
    finally:
        await erp.close()


@pytest.fixture
async def erp(tryton_server: TrytonAccess) -> AsyncIterator[TrytonErp]:
    async with connect(tryton_server) as connected:
        yield connected


@pytest.fixture
async def staff(tryton_server: TrytonAccess) -> AsyncIterator[Staff]:
    access = tryton_server
    async with Staff(access.url, access.database, access.staff_login, access.staff_password) as person:
        yield person


@pytest.fixture
async def administrator(tryton_server: TrytonAccess) -> AsyncIterator[Rpc]:
    access = tryton_server
    login = (access.administrator_login, access.administrator_password)
    async with Rpc(access.url, access.database, *login) as rpc:
        yield rpc


def assert_entered(order: SalesOrder, entered: ErpOrder) -> None:
    assert entered.key == order.key
    assert entered.state is ErpOrderState.ACCEPTED
    assert entered.total == order.total
    assert {tax.code: tax.amount for tax in entered.taxes} == {tax.code: tax.amount for tax in order.taxes}


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
    for number in range(30):
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


async def test_a_part_that_ships_is_told_once_and_its_rest_goes_back_to_its_warehouse(
    erp: TrytonErp, staff: Staff
) -> None:
    order = order_of(
        goods("1", "CAP-BLK", EAST, 6, "60.00"), goods("2", "BELT-BRN", WEST, 4, "40.00"), delivery("5.00")
    )
    await erp.submit_order(order)
    cursor = (await erp.changes(None)).cursor
    job = next(j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == WEST)
    assert await staff.ship(job, part=True) is not None
    told = await drain(erp, cursor)
    told_order = told[0][order.key]
    shipped = [s for s in told_order.shipments if s.state is ErpShipmentState.SHIPPED]
    assert contents(tuple(shipped)) == Counter({(WEST, "2", 2): 1})
    assert shipped[0].tracking_number
    assert shipped[0].carrier == "UPS"
    # Tryton puts the rest at the sale's warehouse, which is the other one.
    waiting = tuple(s for s in told_order.shipments if s.state is ErpShipmentState.WAITING)
    assert contents(waiting) == Counter({(EAST, "1", 6): 1, (WEST, "2", 2): 1})
    again = await drain(erp, told[1])
    assert again[0].get(order.key, told_order) == told_order
    quiet = await erp.changes(again[1])
    assert order.key not in {each.key for each in quiet.orders}


async def drain(erp: TrytonErp, cursor: str) -> tuple[dict[OrderKey, ErpOrder], str]:
    found: dict[OrderKey, ErpOrder] = {}
    while True:
        page = await erp.changes(cursor)
        found |= {order.key: order for order in page.orders}
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def test_the_feed_pages_without_losing_anything(tryton_server: TrytonAccess) -> None:
    async with connect(tryton_server, page_size=2) as erp:
        cursor = (await erp.changes(None)).cursor
        orders = [order_of(goods("1", "STICKER", EAST, 1, "0.99")) for _ in range(3)]
        for order in orders:
            await erp.submit_order(order)
        first = await erp.changes(cursor)
        assert first.more
        found, cursor = await drain(erp, cursor)
        assert {order.key for order in orders} <= found.keys()
        assert (await erp.changes(cursor)).orders == ()


async def test_a_cursor_of_something_else_is_refused(erp: TrytonErp) -> None:
    for cursor in ("17", "{}", "not json"):
        with pytest.raises(Rejected) as caught:
            await erp.changes(cursor)
        assert caught.value.cause == "cursor_unknown"


async def test_kits_ship_whole_and_are_counted_whole(erp: TrytonErp, staff: Staff) -> None:
    order = order_of(goods("7", "KIT-STARTER", EAST, 4, "119.60", ("VAT-20",)))
    entered = await erp.submit_order(order)
    assert contents(entered.shipments) == Counter({(EAST, "7", 4): 1})
    (job,) = await staff.shipments_to_do([order.key.external_id])
    await staff.ship(job, part=True)
    found = await erp.find_order(order.key)
    assert found is not None
    assert {(s.state, s.lines[0].quantity) for s in found.shipments} == {
        (ErpShipmentState.SHIPPED, 2),
        (ErpShipmentState.WAITING, 2),
    }


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
        assert caught.value.cause == "product_unknown"
        assert await erp.find_order(order.key) is None
    finally:
        await staff.restore_product("GLOVE-LTH")
    assert_entered(order, await erp.submit_order(order))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"carrier": "PIGEON"}, "carrier_unknown"),
        ({"price_list": "Friends"}, "price_list_unknown"),
        ({"party": SalesParty(code="C-NOBODY", reference="x", name="Nobody")}, "party_unknown"),
        ({"currency": "EUR"}, "currency_differs"),
        ({"key": OrderKey(channel="elsewhere", external_id="1")}, "shop_unknown"),
        ({"shipping_address": NEW_YORK.model_copy(update={"country": "ZZ"})}, "country_unknown"),
        ({"lines": (goods("1", "STICKER", "WH-NORTH", 1, "1.00"),)}, "warehouse_unknown"),
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


async def test_a_canceled_order_has_nothing_left_to_ship_or_invoice(erp: TrytonErp, staff: Staff) -> None:
    order = two_warehouses()
    await erp.submit_order(order)
    cursor = (await erp.changes(None)).cursor
    outcome = await erp.cancel_order(order.key, "buyer changed their mind")
    assert outcome.canceled
    assert outcome.order.state is ErpOrderState.CANCELED
    assert {s.state for s in outcome.order.shipments} == {ErpShipmentState.CANCELED}
    sale = await staff.read_sale(order.key.external_id)
    assert sale is not None
    assert sale.invoiced == 0
    assert await staff.shipments_to_do([order.key.external_id]) == ()
    assert await erp.cancel_order(order.key, "buyer changed their mind") == outcome
    assert (await erp.submit_order(order)).state is ErpOrderState.CANCELED
    told, _ = await drain(erp, cursor)
    assert told[order.key].state is ErpOrderState.CANCELED


async def test_what_is_reserved_can_be_canceled_and_what_is_picked_cannot(
    erp: TrytonErp, staff: Staff
) -> None:
    order = two_warehouses()
    await erp.submit_order(order)
    picked = await staff.pick_only(order.key.external_id)
    outcome = await erp.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert f"shipment {picked.number} from {picked.warehouse} is picked" in outcome.reason
    assert outcome.order.state is ErpOrderState.ACCEPTED
    found = await erp.find_order(order.key)
    assert found == outcome.order


async def test_a_posted_invoice_stands_in_the_way_of_canceling(erp: TrytonErp, staff: Staff) -> None:
    order = order_of(goods("1", "MUG-LOGO", EAST, 1, "9.05"))
    await erp.submit_order(order)
    (number,) = await staff.post_invoices(order.key.external_id)
    outcome = await erp.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert outcome.reason == f"invoice {number} is posted; credit it in the ERP first"


async def test_a_quotation_that_was_left_is_canceled_too(erp: TrytonErp, administrator: Rpc) -> None:
    order = two_warehouses()
    entered = await erp.submit_order(order)
    draft = await copy_as_draft(administrator, int(entered.erp_id))
    key = OrderKey(channel="shop", external_id=draft)
    outcome = await erp.cancel_order(key, "never mind")
    assert outcome.canceled
    assert outcome.order.state is ErpOrderState.CANCELED


async def test_a_draft_of_another_content_is_replaced(
    erp: TrytonErp, administrator: Rpc, staff: Staff
) -> None:
    entered = await erp.submit_order(order_of(goods("1", "PIN-SET", EAST, 2, "9.98", ("VAT-20",))))
    draft = await copy_as_draft(administrator, int(entered.erp_id))
    order = two_warehouses().model_copy(update={"key": OrderKey(channel="shop", external_id=draft)})
    assert_entered(order, await erp.submit_order(order))
    assert await staff.count_sales(draft) == 1


async def copy_as_draft(administrator: Rpc, sale: int) -> str:
    """A sale as an interrupted submission leaves it: created, web id set, not confirmed."""
    (shop,) = await administrator.find("web.shop", [["name", "=", "shop"]], ["name"])
    (copied,) = await administrator.call("sale.sale", "copy", [sale], {})
    web_id = uuid4().hex[:10]
    await administrator.call("sale.sale", "write", [copied], {"web_shop": shop["id"], "web_id": web_id})
    return web_id


async def test_an_accepted_sale_of_other_amounts_is_never_taken_for_the_order(erp: TrytonErp) -> None:
    order = order_of(goods("1", "PIN-SET", EAST, 2, "9.98"))
    await erp.submit_order(order)
    other = order_of(goods("1", "PIN-SET", EAST, 3, "14.97"), key=order.key)
    with pytest.raises(Rejected, match=r"the store says 14.97, the ERP says 9.98") as caught:
        await erp.submit_order(other)
    assert caught.value.cause == "amounts_differ"


async def test_canceling_an_order_that_is_not_there_is_refused(erp: TrytonErp) -> None:
    with pytest.raises(Rejected) as caught:
        await erp.cancel_order(OrderKey(channel="shop", external_id="never-placed"), "why not")
    assert caught.value.cause == "order_unknown"


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
