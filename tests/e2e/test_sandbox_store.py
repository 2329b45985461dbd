"""The sandbox store over real HTTP, in its own process: an order's life as Shopify would live it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.store.client import StoreRefused
from sandbox.store.requests import GiveBack, PlaceOrder
from tests.running_store import (
    CANCEL,
    STOCK,
    TWO_PLACES,
    RunningStore,
    capture,
    place,
    read,
    ship,
    until,
)


def test_an_order_ships_from_two_places_and_is_captured_in_parts(store: RunningStore) -> None:
    order_id = place(store)
    assert order_id == 5001
    order = read(store, order_id)
    assert (order["displayFinancialStatus"], order["displayFulfillmentStatus"]) == (
        "AUTHORIZED",
        "UNFULFILLED",
    )
    east, west = order["fulfillmentOrders"]["nodes"]
    assert east["assignedLocation"]["location"]["id"] == "gid://shopify/Location/101"
    assert [part["remainingQuantity"] for part in east["lineItems"]["nodes"]] == [1, 2]
    assert [part["remainingQuantity"] for part in west["lineItems"]["nodes"]] == [2]

    first = ship(store, west, (west["lineItems"]["nodes"][0]["id"], 1))
    assert first["userErrors"] == []
    assert first["fulfillment"]["totalQuantity"] == 1
    assert capture(store, order_id, "20.00")["userErrors"] == []
    order = read(store, order_id)
    assert [plan["status"] for plan in order["fulfillmentOrders"]["nodes"]] == ["OPEN", "IN_PROGRESS"]
    assert order["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert order["displayFinancialStatus"] == "PARTIALLY_PAID"

    ship(store, west)
    ship(store, east)
    audit = store.control.read_order(order_id)
    rest = audit.total - Decimal(20)
    assert capture(store, order_id, str(rest))["userErrors"] == []
    order = read(store, order_id)
    assert [plan["status"] for plan in order["fulfillmentOrders"]["nodes"]] == ["CLOSED", "CLOSED"]
    assert (order["displayFinancialStatus"], order["displayFulfillmentStatus"]) == ("PAID", "FULFILLED")
    assert order["fulfillments"][0]["trackingInfo"] == [{"number": "1Z1", "company": "UPS", "url": None}]
    audit = store.control.read_order(order_id)
    assert (audit.captured, audit.fulfillments, audit.open_units) == (audit.total, 3, 0)
    assert sum(line.shipped for line in audit.lines) == 5
    stock = store.data(STOCK, id="gid://shopify/InventoryItem/601", at="gid://shopify/Location/102")
    quantities = stock["inventoryItem"]["inventoryLevel"]["quantities"]
    assert [q["quantity"] for q in quantities] == [498, 0, 498], "what left is no longer committed"


def test_amounts_by_hand(store: RunningStore) -> None:
    audit = store.control.place_order(PlaceOrder.model_validate(TWO_PLACES))
    # lines 59.70 and 18.10 - 1.10 = 17.00; ten per cent of 76.70 is 7.67, divided 5.97 and 1.70
    # taxed 53.73, 15.30 and 9.90: state 3.36 + 0.96 + 0.62, city 0.81 + 0.23 + 0.15
    assert audit.taxes == {"State Tax 0.0625": Decimal("4.94"), "City Tax 0.015": Decimal("1.19")}
    assert audit.total == Decimal("53.73") + Decimal("15.30") + Decimal("9.90") + Decimal("6.13")


def test_a_company_buys_at_its_own_price(store: RunningStore) -> None:
    lines = [{"sku": "JEAN-IND-30"}, {"sku": "CAP-BLK", "price": "20.00"}, {"sku": "PIN-SET", "quantity": 0}]
    audit = store.control.place_order(
        PlaceOrder.model_validate({"lines": lines, "company": {"id": 301}, "shipping_address": None})
    )
    assert audit.total == Decimal("80.99") + Decimal("20.00"), "ten per cent off 89.99, and what was agreed"
    assert [line.ordered for line in audit.lines] == [1, 1, 0]


def test_what_shopify_refuses_is_refused(store: RunningStore) -> None:
    order_id = place(store)
    east = read(store, order_id)["fulfillmentOrders"]["nodes"][0]
    line = east["lineItems"]["nodes"][0]["id"]

    assert "quantity" in ship(store, east, (line, 2))["userErrors"][0]["message"]
    # units of one line asked twice in a request count together
    assert ship(store, east, (line, 1), (line, 1))["fulfillment"] is None
    unknown = {**east, "id": "gid://shopify/FulfillmentOrder/1"}
    assert ship(store, unknown)["userErrors"][0]["message"] == "Fulfillment order does not exist."
    assert ship(store, east)["userErrors"] == []
    assert "unfulfillable status" in ship(store, east)["userErrors"][0]["message"]

    too_much = capture(store, order_id, "1000.00")
    assert (too_much["transaction"], too_much["userErrors"][0]["field"]) == (None, ["input", "amount"])
    assert capture(store, order_id, "0.00")["userErrors"][0]["field"] == ["input", "amount"]
    assert capture(store, order_id, "0.001")["userErrors"][0]["field"] == ["input", "amount"]
    assert capture(store, order_id, "1.00", currency="EUR")["userErrors"][0]["field"] == ["input", "currency"]
    assert len(read(store, order_id)["transactions"]) == 1, "nothing was captured"

    refused = store.data(CANCEL, id=f"gid://shopify/Order/{order_id}")["orderCancel"]
    assert (refused["job"], refused["orderCancelUserErrors"][0]["code"]) == (None, "INVALID")
    assert read(store, order_id)["cancelledAt"] is None


def test_a_buyer_pays_in_another_currency_with_gift_card_and_card(store: RunningStore) -> None:
    order_id = place(
        store,
        lines=[{"sku": "JEAN-IND-30", "quantity": 1}, {"sku": "SOCK-RED", "quantity": 3}],
        taxes_included=True,
        taxes=["VAT-20"],
        shipping={"free": True},
        presentment_currency="EUR",
        presentment_rate="0.913",
        payments=[
            {"gateway": "gift_card", "amount": "25.00", "kind": "sale"},
            {"gateway": "shopify_payments"},
        ],
    )
    order = read(store, order_id)
    assert order["currentTotalPriceSet"]["presentmentMoney"] == {"amount": "99.56", "currencyCode": "EUR"}
    assert order["currentTotalPriceSet"]["shopMoney"] == {"amount": "109.04"}
    kinds = [t["kind"] for t in order["transactions"]]
    assert kinds == ["SALE", "AUTHORIZATION"]
    shop = [Decimal(t["amountSet"]["shopMoney"]["amount"]) for t in order["transactions"]]
    assert sum(shop) == Decimal("109.04")

    assert capture(store, order_id, "10.00")["userErrors"][0]["field"] == ["input", "currency"]
    assert capture(store, order_id, "10.01", currency="EUR")["userErrors"] == []
    assert capture(store, order_id, "64.55", currency="EUR")["userErrors"] == []
    audit = store.control.read_order(order_id)
    assert (audit.captured, audit.presentment_captured) == (Decimal("109.04"), Decimal("99.56"))
    assert audit.financial_status == "PAID"
    assert capture(store, order_id, "0.01", currency="EUR")["userErrors"][0]["field"] == ["input", "amount"]


def test_a_final_capture_lets_go_of_the_rest(store: RunningStore) -> None:
    order_id = place(store)
    assert capture(store, order_id, "5.00", finalCapture=True)["userErrors"] == []
    order = read(store, order_id)
    authorization, captured, voided = order["transactions"]
    assert (captured["kind"], voided["kind"]) == ("CAPTURE", "VOID")
    assert {captured["parentTransaction"]["id"], voided["parentTransaction"]["id"]} == {authorization["id"]}
    assert capture(store, order_id, "1.00")["userErrors"] != []


def test_an_edit_leaves_exact_shares_behind(store: RunningStore) -> None:
    order_id = place(store)
    audit = store.control.edit_line(order_id, 1, 1)
    # of the first line one of three units: 19.90 - 5.97 / 3; tax 3.36 / 3 and 0.81 / 3; west keeps nothing to ship
    assert audit.lines[0].ordered == 3
    assert audit.lines[0].current == 1
    assert audit.total == Decimal("17.91") + Decimal("15.30") + Decimal("9.90") + Decimal("1.12") + Decimal(
        "0.96"
    ) + Decimal("0.62") + Decimal("0.27") + Decimal("0.23") + Decimal("0.15")
    plans = read(store, order_id)["fulfillmentOrders"]["nodes"]
    assert [plan["status"] for plan in plans] == ["OPEN", "CLOSED"]
    assert [part["remainingQuantity"] for part in plans[0]["lineItems"]["nodes"]] == [1, 2]

    audit = store.control.edit_line(order_id, 2, -4)
    assert audit.lines[1].current == 0, "less than nothing is nothing"
    ship(store, plans[0], (plans[0]["lineItems"]["nodes"][0]["id"], 1))
    with pytest.raises(StoreRefused, match="have left"):
        store.control.edit_line(order_id, 1, 0)


def test_a_cancel_is_a_job_that_voids_refunds_and_restocks(store: RunningStore) -> None:
    order_id = place(
        store,
        lines=[{"sku": "CAP-BLK", "quantity": 2, "location": 102}],
        payments=[{"gateway": "gift_card", "amount": "10.00", "kind": "sale"}, {}],
    )
    item = "gid://shopify/InventoryItem/615"
    stock = {"id": item, "at": "gid://shopify/Location/102"}

    def quantities() -> tuple[str, list[int]]:
        found = store.data(STOCK, **stock)["inventoryItem"]
        return found["sku"], [q["quantity"] for q in found["inventoryLevel"]["quantities"]]

    assert quantities() == ("CAP-BLK", [498, 2, 500])
    job = store.data(CANCEL, id=f"gid://shopify/Order/{order_id}")["orderCancel"]["job"]
    assert job["done"] is False
    until(lambda: store.data("query ($id: ID!) { job(id: $id) { done } }", id=job["id"])["job"]["done"])

    order = read(store, order_id)
    assert order["cancelledAt"] is not None
    assert order["displayFinancialStatus"] == "REFUNDED"
    assert [t["kind"] for t in order["transactions"]] == ["SALE", "AUTHORIZATION", "VOID", "REFUND"]
    assert {plan["status"] for plan in order["fulfillmentOrders"]["nodes"]} == {"CANCELLED"}
    audit = store.control.read_order(order_id)
    assert (audit.total, audit.captured, audit.open_units) == (0, 0, 0)
    assert quantities() == ("CAP-BLK", [500, 0, 500])
    again = store.data(CANCEL, id=f"gid://shopify/Order/{order_id}")["orderCancel"]
    assert again["orderCancelUserErrors"][0]["code"] == "INVALID"


def test_a_refund_goes_to_every_payment_in_proportion(store: RunningStore) -> None:
    order_id = place(
        store,
        lines=[{"sku": "BAG-PACK"}],
        payments=[{"gateway": "gift_card", "amount": "19.00", "kind": "sale"}, {"kind": "sale"}],
    )
    audit = store.control.refund_order(order_id, GiveBack(amount=Decimal("105.00")))
    assert (audit.captured, audit.refunded, audit.financial_status) == (14, 105, "PARTIALLY_REFUNDED")
    refunds = [t for t in read(store, order_id)["transactions"] if t["kind"] == "REFUND"]
    # 19 and 100 of 119: 16.764 and 88.235, the cent that is left to the larger remainder
    assert [r["amountSet"]["shopMoney"]["amount"] for r in refunds] == ["16.76", "88.24"]
    with pytest.raises(StoreRefused, match=r"only 14\.00 was taken"):
        store.control.refund_order(order_id, GiveBack(amount=Decimal("14.01")))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lines": [{"sku": "NOPE"}]}, "no product with SKU 'NOPE'"),
        ({"lines": [{"sku": "CAP-BLK", "location": 9}]}, "no location 9"),
        ({"lines": [{"sku": "CAP-BLK", "price": "1.005"}]}, "more digits"),
        ({"lines": [{"sku": "CAP-BLK"}], "payments": [{"amount": "999.00"}]}, "more than the 24.49"),
        ({"lines": [{"sku": "CAP-BLK"}], "company": {"id": 999}}, "give it a name"),
        (
            {"lines": [{"sku": "CAP-BLK"}], "shipping_address": {"country_code": "XX"}},
            "'XX' is no CountryCode",
        ),
        ({"lines": [{"sku": "CAP-BLK"}], "presentment_currency": "QQQ"}, "'QQQ' is no CurrencyCode"),
    ],
)
def test_an_order_that_cannot_be_is_refused_in_words(
    store: RunningStore, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(StoreRefused, match=words):
        store.control.place_order(PlaceOrder.model_validate(wrong))
    assert store.control.list_orders() == []


def test_everything_is_still_there_after_a_hard_stop(tmp_path: Path) -> None:
    store = RunningStore(tmp_path / "store.sqlite").start()
    try:
        order_id = place(store)
        capture(store, order_id, "7.00")
        before = store.control.read_order(order_id)
        store.control.turn_webhooks(paused=True)
        store.stop(hard=True)
        store.start()
        assert store.control.read_order(order_id) == before
        assert place(store) == order_id + 1
        assert store.control.webhooks()["knobs"]["paused"] is True
    finally:
        store.close()
