"""A return is read before it is changed: units that are processed are not processed again."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import ContractBroken, OutcomeUnknown, Rejected
from adapters.requests import RefundLine, RefundRequest
from domain.order import ReturnLine, ReturnStatus
from domain.returns import RefundPart
from tests import shopify_answers as shop
from tests.shopify_answers import KEY, ScriptedShop, data, gid, storefront

SETTLE = RefundRequest(
    key=KEY,
    refund_key="return:31",
    return_id="31",
    lines=(
        RefundLine(line_id="601", quantity=2, location="101"),
        RefundLine(line_id="601", quantity=1),
    ),
    shipping=Decimal("2.50"),
    money=(RefundPart(payment_id="802", gateway="shopify_payments", amount=Decimal("12.30")),),
    note="Return #1001-R1",
)
NOTE = "Return #1001-R1 [return:31]"


def line(
    number: int,
    quantity: int,
    processed: int = 0,
    *,
    parcel_line: int | None = 501,
    line_id: int = 601,
    **more: Any,
) -> dict[str, Any]:
    place = {"id": gid("FulfillmentLineItem", parcel_line), "lineItem": {"id": gid("LineItem", line_id)}}
    return {
        "__typename": "ReturnLineItem" if parcel_line else "UnverifiedReturnLineItem",
        "id": gid("ReturnLineItem", number),
        "quantity": quantity,
        "processedQuantity": processed,
        "unprocessedQuantity": quantity - processed,
        "customerNote": None,
        "returnReasonNote": "",
        "returnReasonDefinition": None,
        **({"fulfillmentLineItem": place} if parcel_line else {}),
        **more,
    }


def reverse(number: int, parcel_line: int, total: int, *disposed: int) -> dict[str, Any]:
    return {
        "id": gid("ReverseFulfillmentOrderLineItem", number),
        "totalQuantity": total,
        "fulfillmentLineItem": {"id": gid("FulfillmentLineItem", parcel_line)},
        "dispositions": [{"quantity": units} for units in disposed],
    }


def held(
    *lines: dict[str, Any],
    status: str = "OPEN",
    expected: tuple[dict[str, Any], ...] = (),
    after: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    order = {"id": gid("ReverseFulfillmentOrder", 41), "lineItems": shop.page(*expected)}
    return {
        "id": gid("Return", 31),
        "name": "#1001-R1",
        "status": status,
        "order": {"id": gid("Order", 5001)},
        "returnLineItems": shop.page(*lines, after=after),
        "reverseFulfillmentOrders": shop.page(order),
        **more,
    }


def refunded(number: int, note: str | None, of_return: int | None = 31) -> dict[str, Any]:
    return {
        "id": gid("Refund", number),
        "note": note,
        "return": {"id": gid("Return", of_return)} if of_return else None,
        "totalRefundedSet": shop.money("1.00", "12.30"),
    }


def state(*refunds: dict[str, Any], back: str | None = None) -> httpx.Response:
    payments = [shop.transaction(802, "CAPTURE", "33.33", presentment="30.00", parent=801)]
    if back is not None:
        payments.append(shop.transaction(803, "REFUND", back, presentment=back, parent=802))
    return data(
        order={
            "currencyCode": "USD",
            "presentmentCurrencyCode": "EUR",
            "taxesIncluded": False,
            "dutiesIncluded": False,
            "transactions": payments,
            "refunds": list(refunds),
            "shippingLines": {"nodes": []},
            "lineItems": shop.page(),
        }
    )


def returned(
    told: dict[str, Any] | None, *refunds: dict[str, Any], errors: tuple[str, ...] = ()
) -> httpx.Response:
    made = told and {**told, "refunds": {"nodes": list(refunds)}}
    found = [{"code": "INVALID", "field": ["input"], "message": words} for words in errors]
    return data(returnProcess={"return": made, "userErrors": found})


def changed(name: str, status: str | None, *errors: str) -> httpx.Response:
    told = status and {"id": gid("Return", 31), "status": status}
    found = [{"code": "INVALID_STATE", "field": ["id"], "message": words} for words in errors]
    return data(**{name: {"return": told, "userErrors": found}})


def shown(told: dict[str, Any] | None) -> httpx.Response:
    return data(**{"return": told})


async def test_units_are_settled_line_by_line_each_with_what_became_of_them() -> None:
    # Of the second line one unit is settled; the first one's arrived in two places.
    lines = (line(11, 2), line(12, 3, 1, parcel_line=502), line(13, 5, line_id=602))
    expected = (reverse(21, 501, 1), reverse(22, 501, 2, 1), reverse(23, 502, 3, 1))
    done = held(line(11, 2, 2), line(12, 3, 2, parcel_line=502), line(13, 5, line_id=602))
    script = ScriptedShop(
        ReadRefunds=state(refunded(900, "Another")),
        ReadReturn=shown(held(*lines, expected=expected)),
        ProcessReturn=returned(done, refunded(900, "Another"), refunded(901, NOTE)),
    )
    made = await storefront(script).refund_order(SETTLE)
    assert (made.refund_id, made.amount) == ("901", Decimal("12.30"))
    assert made.echoes == ("refund 901 made",)
    restocked = {"quantity": 1, "dispositionType": "RESTOCKED", "locationId": gid("Location", 101)}

    def at(number: int) -> dict[str, str]:
        return {"reverseFulfillmentOrderLineItemId": gid("ReverseFulfillmentOrderLineItem", number)}

    assert script.variables("ProcessReturn")["input"] == {
        "returnId": gid("Return", 31),
        "note": NOTE,
        "notifyCustomer": True,
        "returnLineItems": [
            {
                "id": gid("ReturnLineItem", 11),
                "quantity": 2,
                "dispositions": [{**at(21), **restocked}, {**at(22), **restocked}],
            },
            {
                "id": gid("ReturnLineItem", 12),
                "quantity": 1,
                "dispositions": [{**at(23), "quantity": 1, "dispositionType": "NOT_RESTOCKED"}],
            },
        ],
        "refundShipping": {"shippingRefundAmount": {"amount": "2.50", "currencyCode": "EUR"}},
        "financialTransfer": {
            "issueRefund": {
                "orderTransactions": [
                    {
                        "parentId": gid("OrderTransaction", 802),
                        "transactionAmount": {"amount": "12.30", "currencyCode": "EUR"},
                    }
                ]
            }
        },
    }
    assert "CloseReturn" not in script.operations(), "five units of another line are still to come"


async def test_a_refund_that_is_known_is_not_made_again_and_its_return_is_closed() -> None:
    script = ScriptedShop(
        ReadRefunds=state(refunded(901, NOTE)),
        ReadReturn=shown(held(line(11, 3, 3))),
        CloseReturn=changed("returnClose", "CLOSED"),
    )
    made = await storefront(script).refund_order(SETTLE)
    assert (made.refund_id, made.echoes) == ("901", ("return 31 closed",))
    assert script.operations() == ["ReadRefunds", "ReadReturn", "CloseReturn"]


@pytest.mark.parametrize("status", ["OPEN", "CLOSED"])
async def test_units_that_are_processed_without_a_note_are_not_processed_again(status: str) -> None:
    script = ScriptedShop(
        ReadRefunds=state(refunded(900, None, 30), refunded(901, None), refunded(902, NOTE[:-1], None)),
        ReadReturn=shown(held(line(11, 3, 3), status=status)),
        CloseReturn=changed("returnClose", "CLOSED"),
    )
    assert (await storefront(script).refund_order(SETTLE)).refund_id == "901"
    script = ScriptedShop(ReadRefunds=state(), ReadReturn=shown(held(line(11, 3, 3), status="CLOSED")))
    made = await storefront(script).refund_order(SETTLE)
    assert (made.refund_id, made.amount) == ("31", 0)


@pytest.mark.parametrize(
    "told",
    [
        held(line(11, 3, 1)),
        held(line(11, 3), status="REQUESTED"),
        held(line(11, 3), status="CANCELED"),
        held(line(11, 3, line_id=602)),
        held(line(11, 3, parcel_line=None)),
    ],
)
async def test_units_that_are_neither_open_nor_processed_are_not_returnable(told: dict[str, Any]) -> None:
    script = ScriptedShop(ReadRefunds=state(), ReadReturn=shown(told))
    with pytest.raises(Rejected, match="3 units of line 601") as caught:
        await storefront(script).refund_order(SETTLE)
    assert caught.value.cause == "not_returnable"


async def test_what_is_only_to_be_found_is_not_settled() -> None:
    asked = SETTLE.model_copy(update={"only_find": True})
    with pytest.raises(Rejected, match="refunded already") as caught:
        await storefront(ScriptedShop(ReadRefunds=state(), ReadReturn=shown(held(line(11, 3))))).refund_order(
            asked
        )
    assert caught.value.cause == "not_returnable"


async def test_a_refusal_to_settle_is_looked_into_once_more() -> None:
    before, after = held(line(11, 3)), held(line(11, 3, 3), status="CLOSED")
    script = ScriptedShop(
        ReadRefunds=[state(), state(refunded(901, NOTE))],
        ReadReturn=[shown(before), shown(after)],
        ProcessReturn=returned(None, errors=("Quantity must be between 1 and 0",)),
    )
    assert (await storefront(script).refund_order(SETTLE)).refund_id == "901"
    script = ScriptedShop(
        ReadRefunds=[state(), state(back="20.00")],
        ReadReturn=[shown(before), shown(before)],
        ProcessReturn=returned(None, errors=("too much",)),
    )
    with pytest.raises(Rejected) as caught:
        await storefront(script).refund_order(SETTLE)
    assert caught.value.cause == "refund_exceeds_payment"
    script = ScriptedShop(
        ReadRefunds=[state(), state()],
        ReadReturn=[shown(before), shown(before)],
        ProcessReturn=returned(None, errors=("Location does not exist",)),
    )
    with pytest.raises(Rejected, match="Location does not exist"):
        await storefront(script).refund_order(SETTLE)


async def test_a_refund_without_our_key_is_not_said_to_be_ours() -> None:
    """Somebody else may have made it just then, and what the shop tells of it is news."""
    script = ScriptedShop(
        ReadRefunds=state(),
        ReadReturn=shown(held(line(11, 4))),
        ProcessReturn=returned(held(line(11, 4, 3)), refunded(902, "Another")),
    )
    made = await storefront(script).refund_order(SETTLE)
    assert (made.refund_id, made.echoes) == ("902", ())


async def test_settling_is_unknown_where_the_shop_says_nothing() -> None:
    script = ScriptedShop(
        ReadRefunds=state(), ReadReturn=shown(held(line(11, 3))), ProcessReturn=returned(None)
    )
    with pytest.raises(OutcomeUnknown):
        await storefront(script).refund_order(SETTLE)


async def _ended(told: dict[str, Any], **steps: Any) -> ScriptedShop:
    script = ScriptedShop(ReadReturn=shown(told), ReadOrder=data(order=shop.order()), **steps)
    await storefront(script).end_return("5001", "31", "x" * 300)
    return script


async def test_how_a_return_ends_follows_from_what_was_done_with_it() -> None:
    declined = await _ended(
        held(line(11, 3), status="REQUESTED"), DeclineReturn=changed("returnDeclineRequest", "DECLINED")
    )
    assert declined.variables("DeclineReturn")["input"] == {
        "id": gid("Return", 31),
        "declineReason": "OTHER",
        "declineNote": "x" * 255,
        "notifyCustomer": True,
    }
    canceled = await _ended(held(line(11, 3)), CancelReturn=changed("returnCancel", "CANCELED"))
    assert canceled.operations() == ["ReadReturn", "CancelReturn", "ReadOrder"]
    arrived = held(line(11, 3), expected=(reverse(21, 501, 3, 1),))
    for begun in (held(line(11, 3, 1)), arrived):
        closed = await _ended(begun, CloseReturn=changed("returnClose", "CLOSED"))
        assert closed.operations() == ["ReadReturn", "CloseReturn", "ReadOrder"]
    for status in ("CLOSED", "DECLINED", "CANCELED"):
        over = await _ended(held(line(11, 3), status=status))
        assert over.operations() == ["ReadReturn", "ReadOrder"]


async def test_what_somebody_else_changed_meanwhile_is_fine() -> None:
    script = ScriptedShop(
        ReadReturn=[
            shown(held(line(11, 3), status="REQUESTED")),
            shown(held(line(11, 3), status="DECLINED")),
        ],
        ApproveReturn=changed("returnApproveRequest", None, "Return is declined"),
        ReadOrder=data(order=shop.order()),
    )
    assert (await storefront(script).approve_return("5001", "31")).echoes == ()
    script = ScriptedShop(
        ReadReturn=[shown(held(line(11, 3), status="REQUESTED"))] * 2,
        ApproveReturn=changed("returnApproveRequest", None, "You may not"),
    )
    with pytest.raises(Rejected, match="You may not"):
        await storefront(script).approve_return("5001", "31")


async def test_an_unreadable_return_is_unknown() -> None:
    for told in (None, held(line(11, 3), order={"id": gid("Order", 5002)})):
        with pytest.raises(Rejected) as caught:
            await storefront(ScriptedShop(ReadReturn=shown(told))).approve_return("5001", "31")
        assert caught.value.cause == "return_unknown"
    many = held(line(11, 3), reverseFulfillmentOrders=shop.page(after="x"))
    with pytest.raises(ContractBroken, match="more than 10 places"):
        await storefront(ScriptedShop(ReadReturn=shown(many))).approve_return("5001", "31")


async def test_an_order_tells_all_its_returns_page_by_page() -> None:
    wordy = line(
        11,
        2,
        1,
        customerNote="Tore at once",
        returnReasonNote="see photo",
        returnReasonDefinition={"name": "Damaged"},
    )
    second = {**held(line(13, 1), status="CANCELED"), "id": gid("Return", 32), "name": "#1001-R2"}
    script = ScriptedShop(
        ReadOrder=data(order=shop.order(returns={"nodes": [{"id": gid("Return", 31)}]})),
        ReadReturns=[
            data(order={"returns": shop.page(held(wordy, after="lines"), after="more")}),
            data(order={"returns": shop.page(second)}),
        ],
        ReadMoreReturnLines=shown({"returnLineItems": shop.page(line(12, 1), line(14, 9, parcel_line=None))}),
    )
    order = await storefront(script).read_order("5001")
    assert [(each.return_id, each.number, each.status) for each in order.returns] == [
        ("31", "#1001-R1", ReturnStatus.OPEN),
        ("32", "#1001-R2", ReturnStatus.CANCELED),
    ]
    assert order.returns[0].lines == (
        ReturnLine(
            id="11", line_id="601", quantity=2, reason="Damaged: Tore at once: see photo", processed=1
        ),
        ReturnLine(id="12", line_id="601", quantity=1),
    )


async def test_an_order_without_returns_is_read_at_once() -> None:
    script = ScriptedShop(ReadOrder=data(order=shop.order()))
    assert (await storefront(script).read_order("5001")).returns == ()
    assert script.operations() == ["ReadOrder"]
