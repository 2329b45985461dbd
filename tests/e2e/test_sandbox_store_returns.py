"""Returns in the sandbox store: asked for, agreed to, declined, given up, settled in parts, closed."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from sandbox.store.client import StoreRefused
from sandbox.store.requests import AskReturn
from tests.running_store import STOCK, Receiver, RunningStore, capture, place, read, ship, until

PROCESS = """mutation ($i: ReturnProcessInput!) { returnProcess(input: $i) {
  return { status returnLineItems(first: 5) { nodes { processedQuantity unprocessedQuantity } }
    refunds(first: 5) { nodes { note totalRefundedSet { presentmentMoney { amount } } return { id }
      refundLineItems(first: 5) { nodes { quantity restockType location { id } } } } } }
  userErrors { code field message } } }"""
RETURNS = """query ($id: ID!) { order(id: $id) { returnStatus returns(first: 5) { nodes { id name status totalQuantity
  decline { reason note }
  returnLineItems(first: 5) { nodes { id quantity returnReasonNote returnReasonDefinition { handle name }
    ... on ReturnLineItem { fulfillmentLineItem { id lineItem { id sku } } } } }
  reverseFulfillmentOrders(first: 2) { nodes { status lineItems(first: 5) { nodes { id totalQuantity
    fulfillmentLineItem { id } dispositions { type quantity location { id } } } } } } } } } }"""
# 3 x 19.90 and 2 x 9.05, 6.25 % on top and rounded by line: 3.73 and 1.13; delivery 7.50 and 0.47.
BASKET: dict[str, Any] = {
    "lines": [{"sku": "TEE-BLK-S", "quantity": 3}, {"sku": "MUG-LOGO", "quantity": 2}],
    "taxes": ["STATE-6.25"],
    "shipping": {"price": "7.50"},
}
TOTAL = Decimal("90.63")


def sold(store: RunningStore, **more: Any) -> int:
    """An order that left in two parcels, and is paid."""
    order_id = place(store, **{**BASKET, **more})
    plan = read(store, order_id)["fulfillmentOrders"]["nodes"][0]
    tees, mugs = (part["id"] for part in plan["lineItems"]["nodes"])
    assert ship(store, plan, (tees, 2), (mugs, 1))["userErrors"] == []
    assert ship(store, plan, (tees, 1), (mugs, 1))["userErrors"] == []
    total = store.control.read_order(order_id).presentment_total
    capture(store, order_id, str(total), **({"currency": "EUR"} if more else {}))
    return order_id


def ask(store: RunningStore, order_id: int, *units: tuple[int, int], agreed: bool = False) -> int:
    """A return of units by line's place; its id."""
    lines = [{"line": line, "quantity": quantity, "note": "Too big"} for line, quantity in units]
    wanted = AskReturn.model_validate({"lines": lines, "agreed": agreed})
    return store.control.ask_return(order_id, wanted).returns[-1].id


def returns(store: RunningStore, order_id: int) -> dict[str, Any]:
    order: dict[str, Any] = store.data(RETURNS, id=f"gid://shopify/Order/{order_id}")["order"]
    return order


def do(store: RunningStore, name: str, argument: str, **variables: Any) -> dict[str, Any]:
    """A mutation of one return: its status and errors."""
    declared = ", ".join(f"${key}: {kind}" for key, (kind, _) in variables.items())
    text = f"mutation ({declared}) {{ {name}({argument}) {{ return {{ id status }} userErrors {{ code message }} }} }}"
    answer: dict[str, Any] = store.data(text, **{key: value for key, (_, value) in variables.items()})[name]
    return answer


def by_id(store: RunningStore, name: str, return_id: int, **more: Any) -> dict[str, Any]:
    gid = f"gid://shopify/Return/{return_id}"
    if name in {"returnCancel", "returnClose"}:
        return do(store, name, "id: $id", id=("ID!", gid))
    kind = f"{name[0].upper()}{name[1:]}Input!"
    return do(store, name, "input: $i", i=(kind, {"id": gid, **more}))


def process(store: RunningStore, wanted: dict[str, Any], *units: int, **more: Any) -> dict[str, Any]:
    """Settle units of each line of a return, as it was read; ``more`` goes into the input."""
    lines = [
        {"id": line["id"], "quantity": quantity}
        for line, quantity in zip(wanted["returnLineItems"]["nodes"], units, strict=True)
        if quantity
    ]
    given = {"returnId": wanted["id"], "returnLineItems": lines, **more}
    answer: dict[str, Any] = store.data(PROCESS, i=given)["returnProcess"]
    return answer


def money(store: RunningStore, order_id: int, amount: str, currency: str = "USD") -> dict[str, Any]:
    parent = next(t["id"] for t in read(store, order_id)["transactions"] if t["kind"] == "CAPTURE")
    part = {"parentId": parent, "transactionAmount": {"amount": amount, "currencyCode": currency}}
    return {"issueRefund": {"orderTransactions": [part]}}


def test_a_buyer_asks_and_the_shop_agrees_or_declines(store: RunningStore) -> None:
    order_id = sold(store)
    assert returns(store, order_id)["returnStatus"] == "NO_RETURN"
    first = ask(store, order_id, (1, 3))
    told = returns(store, order_id)
    (one,) = told["returns"]["nodes"]
    assert (told["returnStatus"], one["status"], one["totalQuantity"]) == ("RETURN_REQUESTED", "REQUESTED", 3)
    assert one["name"] == f"{store.control.read_order(order_id).name}-R1"
    # of the two parcels that they left in
    assert [line["quantity"] for line in one["returnLineItems"]["nodes"]] == [2, 1]
    assert {line["fulfillmentLineItem"]["lineItem"]["sku"] for line in one["returnLineItems"]["nodes"]} == {
        "TEE-BLK-S"
    }
    assert one["reverseFulfillmentOrders"]["nodes"] == [], "nobody expects it yet"
    assert store.control.read_order(order_id).total == TOTAL

    assert by_id(store, "returnApproveRequest", first)["return"]["status"] == "OPEN"
    again = by_id(store, "returnApproveRequest", first)
    assert (again["return"], again["userErrors"][0]["code"]) == (None, "INVALID_STATE")
    (one,) = returns(store, order_id)["returns"]["nodes"]
    (expected,) = one["reverseFulfillmentOrders"]["nodes"]
    assert (expected["status"], [x["totalQuantity"] for x in expected["lineItems"]["nodes"]]) == (
        "OPEN",
        [2, 1],
    )

    second = ask(store, order_id, (2, 1))
    declined = by_id(
        store, "returnDeclineRequest", second, declineReason="RETURN_PERIOD_ENDED", declineNote="Too late"
    )
    assert declined["return"]["status"] == "DECLINED"
    assert returns(store, order_id)["returns"]["nodes"][1]["decline"] == {
        "reason": "RETURN_PERIOD_ENDED",
        "note": "Too late",
    }
    assert by_id(store, "returnClose", second)["userErrors"][0]["code"] == "INVALID_STATE"
    assert by_id(store, "returnClose", 1)["userErrors"][0]["code"] == "NOT_FOUND"


def test_an_app_asks_for_returns_by_what_left_in_which_parcel(store: RunningStore) -> None:
    order_id = sold(store)
    ask(store, order_id, (2, 1))
    (mug,) = returns(store, order_id)["returns"]["nodes"][0]["returnLineItems"]["nodes"]
    unit = {
        "fulfillmentLineItemId": mug["fulfillmentLineItem"]["id"],
        "quantity": 1,
        "returnReasonDefinitionId": "gid://shopify/ReturnReasonDefinition/2",
    }
    wanted = {"orderId": f"gid://shopify/Order/{order_id}", "returnLineItems": [unit]}
    taken = do(store, "returnRequest", "input: $i", i=("ReturnRequestInput!", wanted))
    assert "the units that can come back" in taken["userErrors"][0]["message"], "it is in the first one"
    by_id(
        store,
        "returnDeclineRequest",
        store.control.read_order(order_id).returns[0].id,
        declineReason="OTHER",
    )
    asked = do(store, "returnRequest", "input: $i", i=("ReturnRequestInput!", wanted))
    assert asked["return"]["status"] == "REQUESTED"
    by_buyer = store.control.change_return(
        order_id, store.control.read_order(order_id).returns[1].id, "withdraw"
    )
    assert [each.status for each in by_buyer.returns] == ["DECLINED", "CANCELED"]
    made = do(store, "returnCreate", "returnInput: $i", i=("ReturnInput!", wanted))
    assert made["return"]["status"] == "OPEN"
    reason = returns(store, order_id)["returns"]["nodes"][2]["returnLineItems"]["nodes"][0]
    assert reason["returnReasonDefinition"] == {"handle": "defective", "name": "Damaged or defective"}
    unknown = {**unit, "returnReasonDefinitionId": "gid://shopify/ReturnReasonDefinition/99"}
    refused = do(
        store,
        "returnCreate",
        "returnInput: $i",
        i=("ReturnInput!", {**wanted, "returnLineItems": [unknown]}),
    )
    assert refused["userErrors"][0]["code"] == "NOT_FOUND"


def test_units_are_settled_in_parts_and_the_rest_is_expected_no_more(store: RunningStore) -> None:
    order_id = sold(store)
    return_id = ask(store, order_id, (1, 2), (2, 2), agreed=True)
    wanted = returns(store, order_id)["returns"]["nodes"][0]
    tees, mugs, more_mugs = wanted["returnLineItems"]["nodes"]
    assert [x["quantity"] for x in (tees, mugs, more_mugs)] == [2, 1, 1]
    reverse = wanted["reverseFulfillmentOrders"]["nodes"][0]["lineItems"]["nodes"]
    west = "gid://shopify/Location/102"
    ids = {"id": "gid://shopify/InventoryItem/601", "at": west}
    before = store.data(STOCK, **ids)["inventoryItem"]["inventoryLevel"]["quantities"][0]["quantity"]
    restocked = {
        "reverseFulfillmentOrderLineItemId": reverse[0]["id"],
        "quantity": 1,
        "dispositionType": "RESTOCKED",
        "locationId": west,
    }
    lines = [
        {"id": tees["id"], "quantity": 2, "dispositions": [restocked]},
        {"id": mugs["id"], "quantity": 1},
    ]
    given = {
        "returnId": wanted["id"],
        "returnLineItems": lines,
        "note": "Two tees and a mug",
        "refundShipping": {"shippingRefundAmount": {"amount": "2.50", "currencyCode": "USD"}},
        "financialTransfer": money(store, order_id, "54.56"),
    }
    done = store.data(PROCESS, i=given)["returnProcess"]
    assert done["userErrors"] == []
    assert done["return"]["status"] == "OPEN", "until it is closed"
    assert done["return"]["returnLineItems"]["nodes"] == [
        {"processedQuantity": 2, "unprocessedQuantity": 0},
        {"processedQuantity": 1, "unprocessedQuantity": 0},
        {"processedQuantity": 0, "unprocessedQuantity": 1},
    ]
    (refund,) = done["return"]["refunds"]["nodes"]
    assert (refund["note"], refund["return"]["id"]) == ("Two tees and a mug", wanted["id"])
    assert [(x["quantity"], x["restockType"]) for x in refund["refundLineItems"]["nodes"]] == [
        (1, "RETURN"),
        (1, "NO_RESTOCK"),
        (1, "NO_RESTOCK"),
    ]
    after = store.data(STOCK, **ids)["inventoryItem"]["inventoryLevel"]["quantities"][0]["quantity"]
    assert after == before + 1
    audit = store.control.read_order(order_id)
    # two tees 39.80 + 2.49 (a third of 3.73 stays, rounded), a mug 9.05 + 0.56, delivery 2.50 + 0.16
    assert audit.total == audit.captured == TOTAL - Decimal("54.56")
    assert [(line.ordered, line.current) for line in audit.lines] == [(3, 1), (2, 1)]
    refused = process(store, wanted, 1, 0, 0)
    assert refused["userErrors"][0]["code"] == "INVALID"
    assert by_id(store, "returnCancel", return_id)["userErrors"][0]["code"] == "INVALID_STATE"
    assert by_id(store, "returnClose", return_id)["return"]["status"] == "CLOSED"
    assert process(store, wanted, 0, 0, 1)["userErrors"][0]["code"] == "INVALID_STATE"
    told = returns(store, order_id)
    assert told["returnStatus"] == "RETURNED"
    assert told["returns"]["nodes"][0]["reverseFulfillmentOrders"]["nodes"][0]["status"] == "CLOSED"
    assert ask(store, order_id, (2, 1)), "what was not settled can be asked for again"
    with pytest.raises(StoreRefused, match="cannot come back"):
        ask(store, order_id, (1, 2))


def test_a_return_that_is_given_up_frees_its_units(store: RunningStore) -> None:
    order_id = sold(store)
    first = ask(store, order_id, (1, 3), agreed=True)
    with pytest.raises(StoreRefused, match="1 of 1 units"):
        ask(store, order_id, (1, 1))
    assert by_id(store, "returnCancel", first)["return"]["status"] == "CANCELED"
    assert ask(store, order_id, (1, 3)) != first


def test_what_has_not_left_cannot_come_back(store: RunningStore) -> None:
    order_id = place(store, **BASKET)
    with pytest.raises(StoreRefused, match="cannot come back"):
        ask(store, order_id, (1, 1))
    assert store.control.read_order(order_id).returns == ()


def test_money_of_a_return_is_in_the_buyers_currency_and_no_more_than_was_paid(store: RunningStore) -> None:
    order_id = sold(store, presentment_currency="EUR", presentment_rate="0.9173")
    ask(store, order_id, (2, 2), agreed=True)
    (wanted,) = returns(store, order_id)["returns"]["nodes"]
    before = store.control.read_order(order_id)
    for transfer in (money(store, order_id, "5.00"), money(store, order_id, "500.00", "EUR")):
        refused = process(store, wanted, 1, 1, financialTransfer=transfer)
        assert (refused["return"], refused["userErrors"][0]["code"]) == (None, "INVALID")
    assert store.control.read_order(order_id) == before, "a refusal changes nothing"
    assert (
        process(store, wanted, 1, 1, financialTransfer=money(store, order_id, "5.00", "EUR"))["userErrors"]
        == []
    )
    assert store.control.read_order(order_id).presentment_refunded == Decimal("5.00")
    # units without money: off the order all the same, and owed to the buyer
    ask(store, order_id, (1, 1), agreed=True)
    second = returns(store, order_id)["returns"]["nodes"][1]
    assert process(store, second, 1)["userErrors"] == []
    assert store.control.read_order(order_id).due < 0


def test_webhooks_tell_of_every_step(store: RunningStore) -> None:
    receiver = Receiver().start()
    try:
        store.control.turn_webhooks(url=receiver.url, paused=True)
        order_id = sold(store)
        first = ask(store, order_id, (1, 1))
        by_id(store, "returnApproveRequest", first)
        process(store, returns(store, order_id)["returns"]["nodes"][0], 1)
        by_id(store, "returnClose", first)
        store.control.change_return(order_id, ask(store, order_id, (1, 1)), "withdraw")
        store.control.change_return(order_id, ask(store, order_id, (1, 1)), "decline")
        store.control.turn_webhooks(paused=False)
        until(lambda: store.control.webhooks()["messages"]["waiting"] == 0)
    finally:
        store.control.turn_webhooks(url="", paused=False)
        receiver.stop()
    told = Counter(each.headers["x-shopify-topic"] for each in receiver.received)
    told = Counter({topic: n for topic, n in told.items() if topic.startswith(("returns", "refunds"))})
    assert told == {
        "returns/request": 3,
        "returns/approve": 1,
        "returns/close": 1,
        "returns/cancel": 1,
        "returns/decline": 1,
        "refunds/create": 1,
    }
    (refund,) = (
        json.loads(x.raw) for x in receiver.received if x.headers["x-shopify-topic"] == "refunds/create"
    )
    assert refund["return"] == {"id": first, "admin_graphql_api_id": f"gid://shopify/Return/{first}"}
