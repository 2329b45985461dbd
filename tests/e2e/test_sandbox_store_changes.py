"""What happens to an order after it was placed: edits of every kind, money due, refunds of parts. Amounts by hand."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from sandbox.store.client import StoreRefused
from sandbox.store.control import OrderReading
from sandbox.store.requests import EditOrder, GiveBack, PlacePayment
from tests.running_store import (
    STOCK,
    TWO_PLACES,
    Receiver,
    RunningStore,
    capture,
    place,
    read,
    ship,
    until,
)

REFUND = """mutation ($i: RefundInput!, $k: String!) { refundCreate(input: $i) @idempotent(key: $k) {
  refund { id note totalRefundedSet { presentmentMoney { amount } }
    refundLineItems(first: 5) { nodes { quantity restockType location { id } subtotalSet { shopMoney { amount } }
      totalTaxSet { shopMoney { amount } } lineItem { id } } }
    refundShippingLines(first: 5) { nodes {
      subtotalAmountSet { shopMoney { amount } } taxAmountSet { shopMoney { amount } } } } }
  order { currentTotalPriceSet { shopMoney { amount } } } userErrors { field message } } }"""
SUGGESTED = """query ($id: ID!, $lines: [RefundLineItemInput!]) { order(id: $id) {
  suggestedRefund(refundLineItems: $lines, refundShipping: true) { amountSet { presentmentMoney { amount } } } } }"""
# Two tees at 19.90 and a mug at 9.05, 6.25 % on top and rounded by line: 2.49 and 0.57; delivery 7.50 and 0.47.
SMALL: dict[str, Any] = {
    "lines": [{"sku": "TEE-BLK-S", "quantity": 2}, {"sku": "MUG-LOGO"}],
    "taxes": ["STATE-6.25"],
    "shipping": {"price": "7.50"},
}
TOTAL = Decimal("59.88")


def edit(store: RunningStore, order_id: int, **changes: Any) -> OrderReading:
    return store.control.edit_order(order_id, EditOrder.model_validate(changes))


def give_back(store: RunningStore, order_id: int, **wanted: Any) -> OrderReading:
    return store.control.refund_order(order_id, GiveBack.model_validate(wanted))


def stock(store: RunningStore, number: int, location: int) -> list[int]:
    ids = {"id": f"gid://shopify/InventoryItem/{number}", "at": f"gid://shopify/Location/{location}"}
    return [q["quantity"] for q in store.data(STOCK, **ids)["inventoryItem"]["inventoryLevel"]["quantities"]]


def open_units(store: RunningStore, order_id: int) -> dict[tuple[str, str], int]:
    plans = read(store, order_id)["fulfillmentOrders"]["nodes"]
    return {
        (part["lineItem"]["sku"], plan["assignedLocation"]["location"]["id"][-3:]): part["remainingQuantity"]
        for plan in plans
        for part in plan["lineItems"]["nodes"]
    }


def test_a_quantity_goes_up_and_a_line_comes_on(store: RunningStore) -> None:
    order_id = place(store, **SMALL)
    assert store.control.read_order(order_id).total == TOTAL
    audit = edit(
        store,
        order_id,
        lines=[{"line": 1, "quantity": 3}],
        add=[{"sku": "CAP-BLK", "quantity": 2, "location": 102}],
    )
    assert [(x.sku, x.ordered, x.current) for x in audit.lines] == [
        ("TEE-BLK-S", 3, 3), ("MUG-LOGO", 1, 1), ("CAP-BLK", 2, 2)]  # fmt: skip
    # 59.70 + 3.73, 9.05 + 0.57, 48.98 + 3.06, 7.50 + 0.47
    assert audit.total == Decimal("133.06")
    assert audit.due == audit.total - TOTAL
    assert audit.original_total == TOTAL
    assert open_units(store, order_id) == {
        ("TEE-BLK-S", "101"): 3, ("MUG-LOGO", "101"): 1, ("CAP-BLK", "102"): 2}  # fmt: skip
    assert stock(store, 615, 102) == [498, 2, 500]


def test_money_due_after_an_edit_is_paid_and_captured_to_the_cent_in_both_currencies(
    store: RunningStore,
) -> None:
    order_id = place(store, **SMALL, presentment_currency="EUR", presentment_rate="0.9173")
    audit = edit(store, order_id, lines=[{"line": 1, "quantity": 4}])
    assert audit.due > 0
    with pytest.raises(StoreRefused, match="more than the"):
        store.control.pay_order(order_id, PlacePayment(amount=audit.due + 1))
    audit = store.control.pay_order(order_id)
    assert (audit.due, audit.authorized) == (0, audit.total)
    with pytest.raises(StoreRefused, match="nothing is due"):
        store.control.pay_order(order_id)
    for payment in read(store, order_id)["transactions"]:
        wanted = {
            "id": f"gid://shopify/Order/{order_id}",
            "parentTransactionId": payment["id"],
            "currency": "EUR",
            "amount": payment["amountSet"]["presentmentMoney"]["amount"],
        }
        done = store.data(
            "mutation ($i: OrderCaptureInput!) { orderCapture(input: $i) { userErrors { message } } }",
            i=wanted,
        )
        assert done["orderCapture"]["userErrors"] == []
    audit = store.control.read_order(order_id)
    assert (audit.captured, audit.presentment_captured) == (audit.total, audit.presentment_total)
    assert (audit.financial_status, audit.due) == ("PAID", 0)


def test_a_price_a_discount_and_the_delivery_change(store: RunningStore) -> None:
    order_id = place(store, **SMALL)
    audit = edit(
        store,
        order_id,
        lines=[
            {"line": 1, "price": "18.00"},
            {"line": 2, "discount": {"title": "Scratch", "amount": "1.05"}},
        ],
        shipping={"code": "express", "price": "12.00"},
    )
    # 36.00 + 2.25, 8.00 + 0.50, 12.00 + 0.75
    assert audit.total == Decimal("59.50")
    assert audit.taxes == {"State Tax 0.0625": Decimal("3.50")}
    order = store.data(
        "query ($id: ID!) { order(id: $id) { edited shippingLines(first: 3) { nodes { code isRemoved } }"
        " totalPriceSet { shopMoney { amount } } } }",
        id=f"gid://shopify/Order/{order_id}",
    )["order"]
    assert order["edited"] is True
    assert order["shippingLines"]["nodes"] == [{"code": "express", "isRemoved": False}]
    with pytest.raises(StoreRefused, match="more digits"):
        edit(store, order_id, lines=[{"line": 1, "price": "18.001"}])
    with pytest.raises(StoreRefused, match="cost less than"):
        edit(store, order_id, lines=[{"line": 2, "price": "1.00"}])
    assert store.control.read_order(order_id) == audit, "a refused edit changes nothing"


def test_address_and_note_change_without_an_edit(store: RunningStore) -> None:
    receiver = Receiver().start()
    topics = store.control.webhooks()["knobs"]["topics"]
    try:
        order_id = place(store, **SMALL)
        store.control.turn_webhooks(url=receiver.url, topics=[*topics, "orders/updated"], paused=True)
        edit(store, order_id, shipping_address={"city": "Boston", "province_code": "MA"}, note="Ring twice")
        edit(store, order_id, note="Ring twice")
        edit(store, order_id, lines=[{"line": 1, "quantity": 1}], shipping={"price": "3.00"})
        store.control.turn_webhooks(paused=False)
        until(lambda: store.control.webhooks()["messages"]["waiting"] == 0)
    finally:
        store.control.turn_webhooks(url="", topics=topics, paused=False)
        receiver.stop()
    told = Counter(each.headers["x-shopify-topic"] for each in receiver.received)
    assert (told["orders/updated"], told["orders/edited"]) == (2, 1), "what changes nothing is not told"
    bodies = [json.loads(each.raw) for each in receiver.received]
    assert ("Boston", "Ring twice") in {
        (body["shipping_address"]["city"], body["note"]) for body in bodies if "note" in body
    }
    (edited,) = (body["order_edit"] for body in bodies if "order_edit" in body)
    assert [part["delta"] for part in edited["line_items"]["removals"]] == [1]
    assert [len(edited["shipping_lines"][which]) for which in ("additions", "removals")] == [1, 1]


def test_units_that_never_left_and_units_that_came_back_are_refunded(store: RunningStore) -> None:
    gift_card = {"gateway": "gift_card", "amount": "20.00", "kind": "sale"}
    order_id = place(store, **SMALL, payments=[gift_card, {"kind": "sale"}])
    tees, _ = (
        part["id"] for part in read(store, order_id)["fulfillmentOrders"]["nodes"][0]["lineItems"]["nodes"]
    )
    ship(store, read(store, order_id)["fulfillmentOrders"]["nodes"][0], (tees, 1))

    audit = give_back(store, order_id, lines=[{"line": 2, "restock": "CANCEL"}])
    assert (audit.refunded, audit.total, audit.captured) == (
        Decimal("9.62"),
        Decimal("50.26"),
        Decimal("50.26"),
    )
    assert (audit.refund_discrepancy, audit.due) == (0, 0)
    assert audit.open_units == 1, "the mug is off"
    audit = give_back(store, order_id, lines=[{"line": 1, "location": 102}], shipping="2.50")
    # a tee is 19.90 and half of 2.49, rounded up what stays: 1.24; a third of delivery 2.50 and 0.16
    assert audit.total == audit.captured == Decimal("50.26") - Decimal("21.14") - Decimal("2.66")
    assert audit.open_units == 1, "the tee that came back is not shipped again"
    assert stock(store, 601, 102)[0] == 501
    refunds = [t for t in read(store, order_id)["transactions"] if t["kind"] == "REFUND"]
    assert len(refunds) == 4, "each to gift card and card"
    audit = give_back(store, order_id, lines=[{"line": 1, "restock": "CANCEL"}], shipping="all")
    assert (audit.total, audit.captured, audit.refunded) == (0, 0, TOTAL)
    assert audit.financial_status == "REFUNDED"
    assert audit.taxes == {"State Tax 0.0625": 0}
    assert read(store, order_id)["displayFulfillmentStatus"] == "FULFILLED"


def test_refunds_end_exactly_in_both_currencies(store: RunningStore) -> None:
    foreign = {**TWO_PLACES, "presentment_currency": "JPY", "presentment_rate": "149.3"}
    order_id = place(store, **foreign, payments=[{"kind": "sale"}])
    for _ in range(3):
        audit = give_back(store, order_id, lines=[{"line": 1, "restock": "CANCEL"}], shipping="100")
        assert (audit.captured, audit.presentment_captured) == (audit.total, audit.presentment_total)
    audit = give_back(
        store, order_id, lines=[{"line": 2, "quantity": 2, "restock": "CANCEL"}], shipping="all"
    )
    assert (audit.captured, audit.presentment_captured, audit.total) == (0, 0, 0)


def test_goodwill_and_a_fee_leave_the_total_and_are_told_as_a_discrepancy(store: RunningStore) -> None:
    order_id = place(store, **SMALL, payments=[{"kind": "sale"}])
    audit = give_back(store, order_id, amount="5.00", note="Sorry")
    assert (audit.total, audit.captured, audit.refund_discrepancy) == (TOTAL, TOTAL - 5, -5)
    ship(store, read(store, order_id)["fulfillmentOrders"]["nodes"][0])
    audit = give_back(store, order_id, amount="6.62", lines=[{"line": 2, "restock": "NO_RESTOCK"}])
    assert (audit.total, audit.refund_discrepancy) == (TOTAL - Decimal("9.62"), Decimal("-2.00"))
    with pytest.raises(StoreRefused, match="cannot be refunded"):
        give_back(store, order_id, amount="1000")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"lines": [{"line": 1, "quantity": 3, "restock": "CANCEL"}]}, "2 are still to leave"),
        ({"lines": [{"line": 1, "restock": "RETURN"}]}, "0 have left"),
        ({"lines": [{"line": 1, "quantity": 2, "restock": "CANCEL"}, {"line": 1, "restock": "CANCEL"}]}, "3 units"),
        ({"shipping": "7.51"}, r"delivery costs 7\.50"),
        ({"amount": "0"}, "needs units, delivery or money"),
    ],
)  # fmt: skip
def test_what_cannot_be_refunded_is_refused_in_words(
    store: RunningStore, wanted: dict[str, Any], words: str
) -> None:
    order_id = place(store, **SMALL, payments=[{"kind": "sale"}])
    before = store.control.read_order(order_id)
    with pytest.raises(StoreRefused, match=words):
        give_back(store, order_id, **wanted)
    assert store.control.read_order(order_id) == before


def test_a_refund_through_the_api_is_made_once_a_key(store: RunningStore) -> None:
    order_id = place(store, **SMALL)
    capture(store, order_id, str(TOTAL))
    taken = read(store, order_id)["transactions"][-1]["id"]
    line = read(store, order_id)["fulfillmentOrders"]["nodes"][0]["lineItems"]["nodes"][1]["lineItem"]["id"]
    order = f"gid://shopify/Order/{order_id}"
    units = [{"lineItemId": line, "quantity": 1, "restockType": "CANCEL"}]
    suggested = store.data(SUGGESTED, id=order, lines=units)["order"]["suggestedRefund"]
    assert suggested["amountSet"]["presentmentMoney"]["amount"] == "17.59", "9.62 and 7.97"
    money = {
        "orderId": order,
        "parentId": taken,
        "kind": "REFUND",
        "gateway": "shopify_payments",
        "amount": "17.59",
    }
    wanted = {
        "orderId": order,
        "refundLineItems": units,
        "shipping": {"fullRefund": True},
        "transactions": [money],
    }
    first = store.data(REFUND, i=wanted, k="a")["refundCreate"]
    assert first["userErrors"] == []
    assert first["refund"]["refundLineItems"]["nodes"][0]["subtotalSet"]["shopMoney"]["amount"] == "9.05"
    assert first["refund"]["refundShippingLines"]["nodes"][0] == {
        "subtotalAmountSet": {"shopMoney": {"amount": "7.5"}},
        "taxAmountSet": {"shopMoney": {"amount": "0.47"}},
    }
    assert first["order"]["currentTotalPriceSet"]["shopMoney"]["amount"] == "42.29"
    assert store.data(REFUND, i=wanted, k="a")["refundCreate"] == first
    other = store.data(REFUND, i={**wanted, "note": "another"}, k="a")["refundCreate"]
    assert (other["refund"], len(other["userErrors"])) == (None, 1)
    more = {**money, "amount": "42.30"}
    refused = store.data(REFUND, i={"orderId": order, "transactions": [more]}, k="b")["refundCreate"]
    assert "cannot be refunded" in refused["userErrors"][0]["message"]
    assert store.control.read_order(order_id).refunds == 1
    assert "errors" in store.ask(
        REFUND.replace("@idempotent(key: $k)", "").replace(", $k: String!", ""), i=wanted
    )
