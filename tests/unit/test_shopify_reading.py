"""Orders are read page after page until they are whole; the probe tells what stands in the way."""

from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from adapters.errors import ContractBroken, Rejected
from adapters.shopify.storefront import REQUIRED_SCOPES
from tests import shopify_answers as shop
from tests.shopify_answers import KEY, ScriptedShop, data, gid, storefront


async def test_an_order_of_ordinary_size_is_one_request() -> None:
    script = ScriptedShop(ReadOrder=data(order=shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"))))
    told = await storefront(script).read_order("5001")
    assert told.key == KEY
    assert script.asked == [("ReadOrder", {"id": gid("Order", 5001)})]


async def test_an_unknown_order_is_refused_with_its_cause() -> None:
    with pytest.raises(Rejected) as caught:
        await storefront(ScriptedShop(ReadOrder=data(order=None))).read_order("5001")
    assert caught.value.cause == "order_unknown"


async def test_every_list_is_read_to_its_end() -> None:
    lines = [shop.line(600 + index, f"SKU-{index}", 1, "1.00") for index in range(1, 4)]
    whole = shop.order(
        *lines,
        lineItems=shop.page(lines[0], after="L1"),
        shippingLines=shop.page(shop.shipping("5.00"), after="S1"),
        transactionsCount={"count": 12},
        fulfillmentOrders=shop.page(shop.fulfillment_order(501, 101, (601, 1, 1), after="O1"), after="F1"),
        fulfillmentsCount={"count": 7},
        fulfillments=[],
    )
    payments = {
        "currencyCode": "USD",
        "presentmentCurrencyCode": "USD",
        "transactionsCount": {"count": 12},
        "transactions": [shop.transaction(800 + index, "SALE", "1.00") for index in range(12)],
    }
    left = [
        shop.fulfillment(400 + index, 101, (601, 1), after=f"G{index}" if index == 3 else None)
        for index in range(7)
    ]
    shipping_state = {
        "fulfillmentOrders": whole["fulfillmentOrders"],
        "fulfillmentsCount": {"count": 7},
        "fulfillments": left,
    }
    script = ScriptedShop(
        ReadOrder=data(order=whole),
        ReadTransactions=data(order=payments),
        ReadShippingState=data(order=shipping_state),
        ReadMoreLines=[
            data(order={"lineItems": shop.page(lines[1], after="L2")}),
            data(order={"lineItems": shop.page(lines[2])}),
        ],
        ReadMoreShippingLines=data(
            order={"shippingLines": shop.page(shop.shipping("6.00", id=gid("ShippingLine", 701)))}
        ),
        ReadMoreFulfillmentOrders=data(
            order={"fulfillmentOrders": shop.page(shop.fulfillment_order(502, 102, (603, 1, 1)))}
        ),
        ReadMoreFulfillmentOrderLines=data(
            fulfillmentOrder={"lineItems": shop.page(shop.fulfillment_order_line(501, 602, 1, 1))}
        ),
        ReadMoreFulfillmentLines=data(
            fulfillment={"fulfillmentLineItems": shop.page(shop.fulfillment_line(602, 1))}
        ),
    )
    told = await storefront(script).read_order("5001")
    assert [each.line_id for each in told.lines] == ["601", "602", "603"]
    assert [each.charge_id for each in told.shipping] == ["700", "701"]
    assert len(told.payments) == 12
    assert [(plan.id, [part.line_id for part in plan.lines]) for plan in told.location_plans] == [
        ("501", ["601", "602"]),
        ("502", ["603"]),
    ]
    assert len(told.fulfillments) == 7
    assert [part.line_id for part in told.fulfillments[3].lines] == ["601", "602"]
    assert [variables["after"] for name, variables in script.asked if name == "ReadMoreLines"] == ["L1", "L2"]
    assert script.variables("ReadTransactions")["first"] == 12
    assert script.variables("ReadShippingState")["fulfillments"] == 7
    assert script.variables("ReadMoreFulfillmentOrderLines") == {
        "id": gid("FulfillmentOrder", 501),
        "after": "O1",
    }
    assert script.variables("ReadMoreFulfillmentLines") == {"id": gid("Fulfillment", 403), "after": "G3"}


async def test_a_list_that_never_ends_breaks_the_contract() -> None:
    stuck = shop.page(shop.line(602, "B", 1, "1.00"), after="L1")
    script = ScriptedShop(
        ReadOrder=data(order=shop.order(lineItems=shop.page(shop.line(601, "A", 1, "1.00"), after="L1"))),
        ReadMoreLines=data(order={"lineItems": stuck}),
    )
    with pytest.raises(ContractBroken, match="lineItems"):
        await storefront(script).read_order("5001")


async def test_an_order_that_vanished_between_two_pages_breaks_the_contract() -> None:
    script = ScriptedShop(
        ReadOrder=data(order=shop.order(lineItems=shop.page(shop.line(601, "A", 1, "1.00"), after="L1"))),
        ReadMoreLines=data(order=None),
    )
    with pytest.raises(ContractBroken, match="lineItems"):
        await storefront(script).read_order("5001")


async def test_orders_are_listed_from_a_time_and_page_by_page() -> None:
    script = ScriptedShop(
        ListOrders=[
            data(orders=shop.page(shop.listed_order(5001), shop.listed_order(5002), after="P1")),
            data(orders=shop.page(shop.listed_order(5003))),
        ]
    )
    since = datetime(2026, 7, 1, 12, 30, 15, 999999, UTC)
    first = await storefront(script).list_orders(since)
    second = await storefront(script).list_orders(since, first.next_cursor)
    assert (first.external_ids, first.next_cursor) == (("5001", "5002"), "P1")
    assert (second.external_ids, second.next_cursor) == (("5003",), None)
    assert [variables for _, variables in script.asked] == [
        {"query": "created_at:>='2026-07-01T12:30:15Z'", "sortKey": "CREATED_AT", "after": None},
        {"query": "created_at:>='2026-07-01T12:30:15Z'", "sortKey": "CREATED_AT", "after": "P1"},
    ]


def probed(*scopes: str, version: str = "2026-07") -> httpx.Response:
    return httpx.Response(
        200,
        headers={"x-shopify-api-version": version},
        json={
            "data": {
                "shop": {"name": "Test", "myshopifyDomain": "test.myshopify.com", "currencyCode": "USD"},
                "currentAppInstallation": {
                    "id": "1",
                    "accessScopes": [{"handle": scope} for scope in scopes],
                },
            }
        },
    )


async def test_the_probe_names_the_shop() -> None:
    told = await storefront(ScriptedShop(Probe=probed(*REQUIRED_SCOPES))).probe()
    assert told.ok
    assert "Test (test.myshopify.com), USD" in told.detail


async def test_a_write_scope_includes_reading() -> None:
    scopes = [scope.replace("read_", "write_") for scope in REQUIRED_SCOPES]
    assert (await storefront(ScriptedShop(Probe=probed(*scopes))).probe()).ok


async def test_the_probe_names_missing_scopes_another_version_and_failures() -> None:
    told = await storefront(ScriptedShop(Probe=probed(*REQUIRED_SCOPES[1:]))).probe()
    assert not told.ok
    assert REQUIRED_SCOPES[0] in told.detail
    assert "scope" in told.remedy
    told = await storefront(ScriptedShop(Probe=probed(*REQUIRED_SCOPES, version="2026-10"))).probe()
    assert not told.ok
    assert "2026-10" in told.detail
    told = await storefront(ScriptedShop(Probe=httpx.Response(401))).probe()
    assert not told.ok
    assert "token" in told.remedy


async def test_everything_the_port_knows_is_declared() -> None:
    adapter = storefront(ScriptedShop())
    assert adapter.capabilities.capture
    assert adapter.capabilities.location_plans
    assert adapter.capabilities.presentment_currency
    await adapter.close()


async def test_what_changed_is_listed_by_the_time_of_its_change() -> None:
    script = ScriptedShop(ListOrders=data(orders=shop.page(shop.listed_order(5001))))
    page = await storefront(script).list_changed(datetime(2026, 7, 1, 12, tzinfo=UTC))
    (order,) = page.orders
    assert (order.total, order.changed_at) == (Decimal("19.90"), datetime(2026, 7, 1, 12, 31, 15, tzinfo=UTC))
    assert script.asked[0][1] == {
        "query": "updated_at:>='2026-07-01T12:00:00Z'",
        "sortKey": "UPDATED_AT",
        "after": None,
    }


async def test_a_list_counts_the_units_of_fulfillments_that_left() -> None:
    listed = shop.listed_order(5001, ("SUCCESS", 2), ("CANCELLED", 4), ("OPEN", 1), test=True)
    script = ScriptedShop(ListOrders=data(orders=shop.page(listed)))
    (order,) = (await storefront(script).list_orders(datetime(2026, 7, 1, tzinfo=UTC))).orders
    assert (order.number, order.test, order.fulfilled) == ("#5001", True, 3)


async def test_fulfillments_beyond_the_first_ten_are_read_for_that_order_alone() -> None:
    ten = (("SUCCESS", 1),) * 10
    script = ScriptedShop(
        ListOrders=data(orders=shop.page(shop.listed_order(5001), shop.listed_order(5002, *ten, count=12))),
        ReadShippingState=data(
            order={
                "fulfillmentsCount": {"count": 12},
                "fulfillmentOrders": shop.page(),
                "fulfillments": [shop.fulfillment(number, 101, (1, 1)) for number in range(12)],
            }
        ),
    )
    page = await storefront(script).list_orders(datetime(2026, 7, 1, tzinfo=UTC))
    assert [order.fulfilled for order in page.orders] == [0, 12]
    assert [name for name, _ in script.asked] == ["ListOrders", "ReadShippingState"]


async def test_orders_are_found_by_id_in_one_request_and_missing_ones_are_left_out() -> None:
    script = ScriptedShop(FindOrders=data(nodes=[shop.listed_order(5001), None]))
    found = await storefront(script).find_orders(["5001", "5002", "5001"])
    assert [order.external_id for order in found] == ["5001"]
    assert script.asked == [("FindOrders", {"ids": [gid("Order", 5001), gid("Order", 5002)]})]
    assert await storefront(script).find_orders([]) == ()
    with pytest.raises(ValueError, match="50 at most"):
        await storefront(script).find_orders([str(number) for number in range(51)])
